// The server's side of a WebSocket (RFC 6455), as far as tests need it: whole messages, no extensions.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** A message is text, or bytes. */
export type Reply = (message: string | Buffer) => string | Buffer | undefined;

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Accepts the first protocol that the client offers, and answers each message. */
export function acceptWebSocket(
	{ headers }: IncomingMessage,
	socket: Duplex,
	reply: Reply,
): void {
	const key = `${headers["sec-websocket-key"]}${GUID}`;
	const [protocol] = (headers["sec-websocket-protocol"] ?? "").split(",");
	socket.write(
		[
			"HTTP/1.1 101 Switching Protocols",
			"Upgrade: websocket",
			"Connection: Upgrade",
			`Sec-WebSocket-Accept: ${createHash("sha1").update(key).digest("base64")}`,
			...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
			"",
			"",
		].join("\r\n"),
	);
	let unread = Buffer.alloc(0);
	socket.on("error", () => {});
	socket.on("data", (part: Buffer) => {
		unread = Buffer.concat([unread, part]);
		for (let frame = frameIn(unread); frame; frame = frameIn(unread)) {
			unread = unread.subarray(frame.length);
			answer(frame);
		}
	});

	function answer({ opcode, payload }: Frame): void {
		if (opcode === PING) socket.write(toFrame(PONG, payload));
		if (opcode === CLOSE) socket.end(toFrame(CLOSE, payload));
		if (opcode !== TEXT && opcode !== BINARY) return;
		const answered = reply(opcode === TEXT ? payload.toString() : payload);
		if (answered !== undefined)
			socket.write(
				toFrame(
					typeof answered === "string" ? TEXT : BINARY,
					Buffer.from(answered as string),
				),
			);
	}
}

interface Frame {
	opcode: number;
	payload: Buffer;
	/** Of the whole frame, in bytes. */
	length: number;
}

/** The first frame, once all of it is there. A client's frames are masked. */
function frameIn(bytes: Buffer): Frame | undefined {
	if (bytes.length < 2) return undefined;
	const short = bytes.readUInt8(1) & 0x7f;
	const maskAt = { 126: 4, 127: 10 }[short] ?? 2;
	if (bytes.length < maskAt + 4) return undefined;
	const size =
		maskAt === 2
			? short
			: maskAt === 4
				? bytes.readUInt16BE(2)
				: Number(bytes.readBigUInt64BE(2));
	const begin = maskAt + 4;
	if (bytes.length < begin + size) return undefined;
	const mask = bytes.subarray(maskAt, begin);
	const payload = Buffer.from(bytes.subarray(begin, begin + size));
	for (const [index, byte] of payload.entries())
		payload[index] = byte ^ (mask[index % 4] ?? 0);
	return { opcode: bytes.readUInt8(0) & 0x0f, payload, length: begin + size };
}

function toFrame(opcode: number, payload: Buffer): Buffer {
	const { length } = payload;
	const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
	head.writeUInt8(0x80 | opcode, 0);
	if (head.length === 2) head.writeUInt8(length, 1);
	else if (head.length === 4) {
		head.writeUInt8(126, 1);
		head.writeUInt16BE(length, 2);
	} else {
		head.writeUInt8(127, 1);
		head.writeBigUInt64BE(BigInt(length), 2);
	}
	return Buffer.concat([head, payload]);
}
