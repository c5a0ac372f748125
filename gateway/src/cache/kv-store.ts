// Entries in Workers KV, shared by all isolates. KV may be a minute behind, and may miss what is there. An entry says itself
// how new it is, so both are harmless.
import { z } from "zod";
import type { Entry, Store } from "./entry.ts";

/** The part of KVNamespace that is used. */
export interface Namespace {
	get(
		name: string,
		options: { type: "arrayBuffer"; cacheTtl: number },
	): Promise<ArrayBuffer | null>;
	put(
		name: string,
		value: ArrayBuffer,
		options: { expirationTtl: number },
	): Promise<void>;
}

/** The number changes with the form of entries. */
const PREFIX = "answer3:";

/** How long a location may go on reading an old copy. KV allows no less. */
const CACHE_TTL_SECONDS = 30;

/** Longer than an entry can be fresh: a stale one may still be given while the origin is down. */
const EXPIRATION_TTL_SECONDS = 86_400;

const HEAD_LENGTH_BYTES = 4;

/** RFC 9110, section 5: what is none of these would make the answer throw. */
const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
const headerValue = z.string().regex(/^[^\0\r\n]*$/);

const head = z.object({
	feedEpoch: z.string(),
	seq: z.int(),
	tags: z.array(z.string()),
	consistencyToken: headerValue,
	reader: z.string(),
	filledAt: z.number(),
	status: z.literal([200, 206]),
	statusText: z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/),
	headers: z.array(z.tuple([headerName, headerValue])),
	echoed: z.array(headerName),
	etag: headerValue,
});

export class KvStore implements Store {
	readonly #namespace: Namespace;

	constructor(namespace: Namespace) {
		this.#namespace = namespace;
	}

	async get(name: string): Promise<Entry | undefined> {
		const value = await this.#namespace.get(PREFIX + name, {
			type: "arrayBuffer",
			cacheTtl: CACHE_TTL_SECONDS,
		});
		return value === null ? undefined : decode(value);
	}

	async put(name: string, entry: Entry): Promise<void> {
		await this.#namespace.put(PREFIX + name, encode(entry), {
			expirationTtl: EXPIRATION_TTL_SECONDS,
		});
	}
}

/** Four bytes, big-endian, for the length of the head; the head as JSON; the body. */
function encode({ body, ...fields }: Entry): ArrayBuffer {
	const text = new TextEncoder().encode(JSON.stringify(fields));
	const bytes = new Uint8Array(HEAD_LENGTH_BYTES + text.length + body.length);
	new DataView(bytes.buffer).setUint32(0, text.length);
	bytes.set(text, HEAD_LENGTH_BYTES);
	bytes.set(body, HEAD_LENGTH_BYTES + text.length);
	return bytes.buffer;
}

/** @returns undefined where the bytes are not an entry that an answer can be built from */
function decode(value: ArrayBuffer): Entry | undefined {
	try {
		const end = HEAD_LENGTH_BYTES + new DataView(value).getUint32(0);
		const text = new TextDecoder("utf-8", {
			fatal: true,
			ignoreBOM: true,
		}).decode(
			new Uint8Array(value, HEAD_LENGTH_BYTES, end - HEAD_LENGTH_BYTES),
		);
		const fields = head.parse(JSON.parse(text), { jitless: true });
		return { ...fields, body: new Uint8Array(value, end) };
	} catch {
		return undefined;
	}
}
