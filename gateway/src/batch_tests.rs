//! What channels say at once, and its parts.

use super::*;

const JSON: Dialect = Dialect {
    format: Format::Json,
    compact: false,
};

fn name() -> Arc<str> {
    "c".into()
}

fn item(class: Class, offset: u64, data: &'static str) -> Item {
    let publication = Publication::new(data);
    let publication = if offset > 0 {
        publication.at(offset)
    } else {
        publication
    };
    Item::publication(class, publication)
}

fn mixed(dialect: Dialect) -> Arc<Batch> {
    let counters = Publication::new("{\"viewers\":1}").telling_losses();
    let items = [
        item(Class::Ephemeral, 0, "\"e\""),
        item(Class::Durable, 4, "\"four\""),
        Item::publication(Class::State, counters),
        item(Class::Durable, 7, "\"seven\""),
        Item::publication(Class::Ephemeral, Publication::new("\"t\"").first_to_go()),
    ];
    Batch::encode(&name(), 9, dialect, &items)
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).expect("utf-8")
}

fn push(publication: &str) -> String {
    format!("{{\"push\":{{\"channel\":\"c\",\"pub\":{publication}}}}}")
}

#[test]
fn a_batch_is_one_frame_in_the_order_of_the_calls() {
    let expected = [
        push("{\"data\":\"e\"}"),
        push("{\"data\":\"four\",\"offset\":4}"),
        push("{\"data\":{\"viewers\":1}}"),
        push("{\"data\":\"seven\",\"offset\":7}"),
        push("{\"data\":\"t\"}"),
    ];
    let batch = mixed(JSON);
    assert_eq!(text(&batch.bytes()), expected.join("\n"));
    assert_eq!((batch.last_offset(), batch.parts().len()), (7, 5));
}

#[test]
fn a_part_of_a_batch_is_what_it_would_have_been_alone() {
    for format in [Format::Json, Format::Protobuf] {
        for compact in [false, true] {
            let dialect = Dialect { format, compact };
            let durable = mixed(dialect)
                .keep(|part| part.rank == Rank::Durable)
                .expect("two are left");
            let alone = [
                item(Class::Durable, 4, "\"four\""),
                item(Class::Durable, 7, "\"seven\""),
            ];
            let alone = Batch::encode(&name(), 9, dialect, &alone);
            assert_eq!(durable.bytes(), alone.bytes(), "{dialect:?}");
            assert_eq!(
                durable.bytes_of(Rank::Durable),
                mixed(dialect).bytes_of(Rank::Durable)
            );
            let last = durable.keep(|part| part.offset > 4).expect("one is left");
            let alone = Batch::encode(&name(), 9, dialect, &[item(Class::Durable, 7, "\"seven\"")]);
            assert_eq!(last.bytes(), alone.bytes(), "{dialect:?}, a part of a part");
        }
    }
    assert!(mixed(JSON).keep(|_| false).is_none());
}

#[test]
fn a_compact_push_names_the_channel_by_its_number() {
    let json = Dialect {
        format: Format::Json,
        compact: true,
    };
    let items = [item(Class::Durable, 4, "1")];
    let batch = Batch::encode(&name(), 9, json, &items);
    assert_eq!(
        text(&batch.bytes()),
        "{\"push\":{\"id\":9,\"pub\":{\"data\":1,\"offset\":4}}}"
    );
    let protobuf = Dialect {
        format: Format::Protobuf,
        compact: true,
    };
    let batch = Batch::encode(&name(), 9, protobuf, &items);
    assert_eq!(
        &batch.bytes()[..],
        b"\x0b\x22\x09\x08\x09\x22\x05\x22\x011\x30\x04"
    );
}

#[test]
fn who_lost_something_is_told_in_the_state_and_nothing_else_changes() {
    let skipped = Skipped {
        ephemeral: 412,
        state: 0,
    };
    let told = mixed(JSON).telling(skipped).expect("the state tells");
    let expected = "{\"viewers\":1,\"skipped\":{\"ephemeral\":412}}";
    assert_eq!(
        text(&told),
        text(&mixed(JSON).bytes()).replace("{\"viewers\":1}", expected)
    );
    let silent = mixed(JSON)
        .keep(|part| part.rank != Rank::State)
        .expect("some are left");
    assert!(silent.telling(skipped).is_none(), "the state is gone");
}

#[test]
fn losses_are_added_to_objects_only() {
    let skipped = Skipped {
        ephemeral: 1,
        state: 2,
    };
    let added = |object: &str| with_skipped(object.as_bytes(), skipped).map(|bytes| text(&bytes).to_owned());
    let counts = "\"skipped\":{\"ephemeral\":1,\"state\":2}}";
    assert_eq!(added("{}"), Some(format!("{{{counts}")));
    assert_eq!(added(" { } \n"), Some(format!("{{ {counts}")));
    assert_eq!(added("{\"a\":{}}"), Some(format!("{{\"a\":{{}},{counts}")));
    for no_object in ["", "1", "[{}]", "\"{}\"", "}"] {
        assert_eq!(added(no_object), None, "{no_object}");
    }
}
