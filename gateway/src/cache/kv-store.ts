// Entries in Workers KV, for all isolates. KV may be a minute behind and may answer that there is nothing when there is:
// an entry says itself how new it is.
import { z } from "zod";
import type { Entry } from "./entry.ts";
import { fromEntry } from "./respond.ts";
import type { Store } from "./store.ts";

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

/** An entry of another form has another name. */
const PREFIX = "answer3:";

/** Least that KV takes: how long a location may go on reading an old copy. */
const CACHE_TTL_SECONDS = 30;

/** Longer than an entry can be fresh. */
const EXPIRATION_TTL_SECONDS = 86_400;

const HEAD_LENGTH_BYTES = 4;

const head = z.object({
	feedEpoch: z.string(),
	seq: z.int(),
	tags: z.array(z.string()),
	token: z.string(),
	reader: z.string(),
	filledAt: z.number(),
	status: z.literal([200, 206]),
	statusText: z.string(),
	headers: z.array(z.tuple([z.string(), z.string()])),
	echoed: z.array(z.string()),
	etag: z.string(),
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

/** The length of the head as four bytes, big-endian; the head as JSON; the body. */
function encode({ body, ...fields }: Entry): ArrayBuffer {
	const text = new TextEncoder().encode(JSON.stringify(fields));
	const bytes = new Uint8Array(HEAD_LENGTH_BYTES + text.length + body.length);
	new DataView(bytes.buffer).setUint32(0, text.length);
	bytes.set(text, HEAD_LENGTH_BYTES);
	bytes.set(body, HEAD_LENGTH_BYTES + text.length);
	return bytes.buffer;
}

/** @returns nothing where the bytes are no entry, or one that no answer can be made of */
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
		const entry = { ...fields, body: new Uint8Array(value, end) };
		fromEntry(entry, new Request("http://nowhere"));
		return entry;
	} catch {
		return undefined;
	}
}
