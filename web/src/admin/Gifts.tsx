// The catalogue: what each gift costs and gives. A new price holds for gifts sent from then on; what was sent keeps its own.

import { useEffect, useMemo, useState } from "preact/hooks";
import { ID_PATTERN, type Gift } from "../live/protocol";
import { exact } from "../ui/format";
import { GiftIcon } from "../ui/icons";
import { Act, type Field, type Values } from "./Act";
import type { Api } from "./api";
import { DataTable, type Column } from "./DataTable";
import type { Listed } from "./protocol";
import { Rows } from "./rows";
import { typedAmount } from "./words";

const NAME_CHARS_MAX = 40;
const PRICE_MAX = 1_000_000_000;

type Deed = { what: "add" } | { what: "change" | "delist"; gift: Gift };

export function Gifts({ api }: { api: Api }) {
  const [deed, setDeed] = useState<Deed | undefined>(undefined);
  const [said, setSaid] = useState("");
  const rows = useMemo(() => new Rows<Gift>(async () => ({ entries: (await api.read<Listed>("/gifts")).gifts })), [api]);
  useEffect(() => { void rows.refresh(); }, [rows]);
  const done = (words: string) => { setSaid(words); void rows.refresh(); };
  const columns: readonly Column<Gift>[] = [
    { head: "", draw: ({ id }) => <GiftIcon gift={id} /> },
    { head: "Id", draw: ({ id }) => <code>{id}</code>, dispensable: true },
    { head: "Name", draw: ({ name }) => <b>{name}</b>, wide: true },
    { head: "Coins", draw: ({ coins }) => exact(coins), number: true },
    { head: "Tickets", draw: ({ tickets }) => exact(tickets), number: true },
    { head: " ", draw: (gift) => (
      <span class="row-actions">
        <button type="button" onClick={() => setDeed({ what: "change", gift })}>Change</button>
        <button type="button" onClick={() => setDeed({ what: "delist", gift })}>Delist</button>
      </span>
    ) },
  ];
  return (
    <div class="narrow">
      <div class="bar">
        <button class="main" type="button" onClick={() => setDeed({ what: "add" })}>Add a gift</button>
        <p class="said" role="status">{said}</p>
      </div>
      <DataTable narrow label="Gifts on offer" columns={columns} shown={rows.shown.value} keyOf={({ id }) => id} empty="No gift is on offer. Add the first." again={() => void rows.refresh()}
        press={(gift, key) => { if (key === "Enter") setDeed({ what: "change", gift }); return key === "Enter"; }} marks={({ id }) => ({ "data-gift": id })} />
      {deed?.what === "add" && (
        <Act title="Add a gift" facts={[]} confirm="Put on offer" fields={[{ name: "id", label: "Id", hint: "For ever: letters, digits or . _ - @", charsMax: 64 }, ...priceFields()]}
          check={(values) => (ID_PATTERN.test(values.id?.trim() ?? "") ? mistakeOf(values) : "Enter an id: 1 to 64 letters, digits or . _ - @")}
          send={(id, values) => put(api, values.id?.trim() ?? "", id, values)} done={() => done("The gift is on offer.")} close={() => setDeed(undefined)} />
      )}
      {deed?.what === "change" && (
        <Act title={`Change ${deed.gift.name}`} confirm="Change" fields={priceFields(deed.gift)} check={mistakeOf}
          facts={[["Id", <code>{deed.gift.id}</code>], ["Now", `${exact(deed.gift.coins)} coins, ${exact(deed.gift.tickets)} tickets`], ["From", "the next gift on; what was sent keeps its price"]]}
          send={(id, values) => put(api, deed.gift.id, id, values)} done={() => done(`${deed.gift.name} has its new price.`)} close={() => setDeed(undefined)} />
      )}
      {deed?.what === "delist" && (
        <Act title={`Delist ${deed.gift.name}`} confirm="Delist" grave facts={[["Id", <code>{deed.gift.id}</code>], ["Price", `${exact(deed.gift.coins)} coins`], ["Effect", "nobody can send it any more; what was sent stays"]]}
          send={(id) => api.change("DELETE", `/gifts/${encodeURIComponent(deed.gift.id)}`, { command_id: id })} done={() => done(`${deed.gift.name} is off offer.`)} close={() => setDeed(undefined)} />
      )}
    </div>
  );
}

function priceFields(gift?: Gift): Field[] {
  return [
    { name: "name", label: "Name", value: gift?.name ?? "", charsMax: NAME_CHARS_MAX },
    { name: "coins", label: "Coins it costs", value: gift ? `${gift.coins}` : "", charsMax: 13, number: true },
    { name: "tickets", label: "Tickets it gives", value: gift ? `${gift.tickets}` : "", charsMax: 13, number: true },
  ];
}

function mistakeOf({ name = "", coins = "", tickets = "" }: Values): string | undefined {
  const [price, gives] = [typedAmount(coins), typedAmount(tickets)];
  if (!name.trim()) return "Enter a name.";
  if (!(price >= 1 && price <= PRICE_MAX)) return "Coins must be 1 to 1,000,000,000.";
  return gives >= 0 && gives <= PRICE_MAX ? undefined : "Tickets must be 0 to 1,000,000,000.";
}

function put(api: Api, gift: string, commandId: string, { name = "", coins = "", tickets = "" }: Values): Promise<object> {
  const body = { command_id: commandId, name: name.trim(), coins: typedAmount(coins), tickets: typedAmount(tickets) };
  return api.change("PUT", `/gifts/${encodeURIComponent(gift)}`, body);
}
