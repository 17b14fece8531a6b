//! Well-formed commands, and some that nearly are.

use fastrand::Rng;

const METHODS: [&str; 12] = [
    "connect",
    "subscribe",
    "unsubscribe",
    "publish",
    "presence",
    "presence_stats",
    "history",
    "rpc",
    "send",
    "refresh",
    "sub_refresh",
    "ping",
];
const FIELDS: [&str; 16] = [
    "channel", "token", "data", "recover", "offset", "epoch", "flag", "type", "tf", "method", "limit",
    "since", "reverse", "subs", "name", "unknown",
];
const VALUES: [&str; 16] = [
    "\"c\"",
    "\"d\"",
    "\"\"",
    "\"a\\u0041\\\"b\"",
    "1",
    "0",
    "-1",
    "true",
    "false",
    "null",
    "{}",
    "[]",
    "{\"a\":[1,{\"b\":null}]}",
    "18446744073709551615",
    "1e400",
    "\"\u{1f6ab}\"",
];

/// One line of JSON.
pub(super) fn json_command(rng: &mut Rng) -> String {
    let method = METHODS[rng.usize(..METHODS.len())];
    let mut members: Vec<String> = (0..rng.usize(..5)).map(|_| member(rng)).collect();
    match method {
        "rpc" => members.push("\"method\":\"m\"".to_owned()),
        "connect" | "send" | "refresh" => {}
        _ => members.push(format!("\"channel\":\"{}\"", ["c", "d", "e"][rng.usize(..3)])),
    }
    let body = members.join(",");
    match rng.u8(..16) {
        0 => "{}".to_owned(),
        1 => format!("{{\"{method}\":{{{body}}}}}"),
        _ => format!("{{\"id\":{},\"{method}\":{{{body}}}}}", rng.u32(1..9)),
    }
}

fn member(rng: &mut Rng) -> String {
    let field = FIELDS[rng.usize(..FIELDS.len())];
    let value = match (field, rng.u8(..4)) {
        ("subs", 1..) => format!("{{\"c\":{{{}}}}}", member(rng)),
        ("since", 1..) => format!("{{\"offset\":{},\"epoch\":\"e\"}}", rng.u8(..9)),
        ("recover" | "reverse", 1..) => "true".to_owned(),
        ("offset" | "limit" | "flag", 1..) => rng.u8(..9).to_string(),
        ("epoch" | "token", 1..) => "\"e\"".to_owned(),
        _ => VALUES[rng.usize(..VALUES.len())].to_owned(),
    };
    format!("\"{field}\":{value}")
}

/// One message of Protobuf behind its length.
pub(super) fn protobuf_command(rng: &mut Rng) -> Vec<u8> {
    let mut command = Vec::new();
    if rng.u8(..8) > 0 {
        command.extend([0x08, rng.u8(1..9)]);
    }
    let request = request(rng);
    field(&mut command, rng.u64(4..16), &request);
    let mut framed = Vec::new();
    varint(&mut framed, command.len() as u64);
    framed.extend(command);
    framed
}

fn request(rng: &mut Rng) -> Vec<u8> {
    let mut request = Vec::new();
    for _ in 0..rng.usize(..5) {
        let number = rng.u64(1..16);
        if rng.bool() {
            varint(&mut request, number << 3);
            varint(&mut request, [0, 1, 7, u64::MAX][rng.usize(..4)]);
        } else {
            let value: &[u8] = [&b"c"[..], b"d", b"", b"{}", b"\xff", b"\x08\x01"][rng.usize(..6)];
            field(&mut request, number, value);
        }
    }
    if rng.u8(..4) > 0 {
        field(&mut request, 1, b"c");
    }
    request
}

fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
