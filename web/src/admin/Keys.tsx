// What the keys do.

import { Modal } from "./Modal";

const KEYS: readonly (readonly [string, string])[] = [
  ["1 to 5", "Go to a section"], ["↓ or j, ↑ or k", "Next row, row before"], ["Home, End", "First row, last row"],
  ["a", "Approve the withdrawal of this row"], ["r", "Reject it"], ["Enter", "Change the gift of this row"], ["Esc", "Close what is open"], ["?", "This list"],
];

export function Keys({ close }: { close: () => void }) {
  return (
    <Modal title="Keys" close={close}>
      <dl class="facts">{KEYS.map(([key, words]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{words}</dd></div>)}</dl>
      <form method="dialog" class="ways"><button class="main" type="submit">Close</button></form>
    </Modal>
  );
}
