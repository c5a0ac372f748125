// Entries in Workers KV, shared by all isolates. KV may be a minute behind, and may miss what is there. An entry says itself
// how new it is, so both are harmless.

import * as z from "zod/mini";
import type { Entry, Store } from "../cache/entry.ts";
import { strictUtf8 } from "../http/utf8.ts";
import {
	createSealedValues,
	type Kv,
	type SealedValues,
} from "./sealed-values.ts";

const HEAD_LENGTH_BYTES = 4;

/** RFC 9110, section 5: what is none of these would make the answer throw. */
const headerName = z.string().check(z.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/));
const headerValue = z.string().check(z.regex(/^[^\0\r\n]*$/));

const head = z.lazy(() =>
	z.object({
		feedEpoch: z.string(),
		seq: z.int(),
		tags: z.array(z.string()),
		consistencyToken: headerValue,
		reader: z.string(),
		askedAt: z.number(),
		filledAt: z.number(),
		status: z.literal([200, 206]),
		statusText: z.string().check(z.regex(/^[\t\x20-\x7e\x80-\xff]*$/)),
		headers: z.array(z.tuple([headerName, headerValue])),
		echoed: z.array(headerName),
		etag: headerValue,
	}),
);

export class KvStore implements Store {
	readonly #values: SealedValues;

	constructor(kv: Kv) {
		this.#values = createSealedValues(kv, {
			prefix: "answer6:",
			purpose: "postern kv entry v1",
		});
	}

	async get(key: string): Promise<Entry | undefined> {
		const value = await this.#values.get(key);
		return value && decode(value);
	}

	async put(key: string, entry: Entry): Promise<void> {
		await this.#values.put(key, encode(entry));
	}
}

/** Four bytes, big-endian, for the length of the head; the head as JSON; the body. */
function encode({ body, ...fields }: Entry): Uint8Array<ArrayBuffer> {
	const text = new TextEncoder().encode(JSON.stringify(fields));
	const bytes = new Uint8Array(HEAD_LENGTH_BYTES + text.length + body.length);
	new DataView(bytes.buffer).setUint32(0, text.length);
	bytes.set(text, HEAD_LENGTH_BYTES);
	bytes.set(body, HEAD_LENGTH_BYTES + text.length);
	return bytes;
}

/** @returns undefined where the bytes are not an entry that an answer can be built from */
function decode(value: ArrayBuffer): Entry | undefined {
	try {
		const end = HEAD_LENGTH_BYTES + new DataView(value).getUint32(0);
		const text = strictUtf8.decode(
			new Uint8Array(value, HEAD_LENGTH_BYTES, end - HEAD_LENGTH_BYTES),
		);
		const fields = head.parse(JSON.parse(text), { jitless: true });
		return { ...fields, body: new Uint8Array(value, end) };
	} catch {
		return undefined;
	}
}
