// The ETag of an answer, and the 304 for a client that has the answer already (RFC 9110, sections 8.8.3 and 13.1.2). An ETag is
// `"hash.number.epoch"`: a hash of what a client sees, which If-None-Match is about, and the moment of the feed that the answer includes
// every change up to, which If-Match is about.
import type { PipelineRequest } from "../pipeline.ts";
import { type Entry, sha256, UTF8 } from "./entry.ts";

/** Headers of the answer that a 304 repeats (RFC 9110, section 15.4.5), and the cache's own. */
const IN_304 = [
	"Age",
	"Cache-Control",
	"Cache-Status",
	"Content-Location",
	"Date",
	"ETag",
	"Postern-Token",
	"Vary",
];

/** @returns a strong validator of what a client sees: the status, the headers and the body */
export async function entityTag({
	status,
	headers,
	body,
}: Pick<Entry, "status" | "headers"> & {
	body: Uint8Array;
}): Promise<string> {
	// JSON says itself where it ends.
	const head = UTF8.encode(JSON.stringify([status, headers]));
	const bytes = new Uint8Array(head.length + body.length);
	bytes.set(head);
	bytes.set(body, head.length);
	return `"${(await sha256(bytes)).slice(0, 27)}"`;
}

/** A moment of the feed: what has it is right as of this number, or later. */
export type Moment = Pick<Entry, "feedEpoch" | "seq">;

const WITH_MOMENT = /^[\w-]+\.([\da-z]{1,10})\.([\w-]+)$/;

/** The ETag of an entry's answers. */
export function etagOf(entry: Entry): string {
	return etagAt(entry.etag, entry);
}

/** @param hash as `entityTag` makes it */
export function etagAt(hash: string, { seq, feedEpoch }: Moment): string {
	return `${hash.slice(0, -1)}.${seq.toString(36)}.${feedEpoch}"`;
}

/** @param etag that Postern made, or any other */
export function momentIn(etag: string | null): Moment | undefined {
	return etag === null ? undefined : momentOf(etag.slice(1, -1));
}

/** @param opaque an ETag without its quotes */
export function momentOf(opaque: string): Moment | undefined {
	const [, seq, feedEpoch] = WITH_MOMENT.exec(opaque) ?? [];
	if (seq === undefined || feedEpoch === undefined) return undefined;
	return { feedEpoch, seq: Number.parseInt(seq, 36) };
}

/** Replaces an answer by a 304 where the client's If-None-Match names its ETag. */
export function conditional(
	request: PipelineRequest,
	answer: Response,
): Response {
	const etag = answer.headers.get("ETag");
	const wanted = request.headers.get("If-None-Match");
	if (etag === null || wanted === null || !matches(wanted, etag)) return answer;
	return new Response(null, {
		status: 304,
		headers: notModifiedHeaders(answer.headers),
	});
}

/** The headers of a 304 in place of the answer with these. */
export function notModifiedHeaders(of: Headers): Headers {
	const headers = new Headers();
	for (const name of IN_304) {
		const value = of.get(name);
		if (value !== null) headers.set(name, value);
	}
	return headers;
}

/** An ETag up to where its moment begins. */
const HASH = /"[^".]*/g;

/** Weak comparison (section 8.8.3.2), of the hashes: a proxy may have made the validator weak, and equal answers are equal at any moment. */
export function matches(wanted: string, etag: string): boolean {
	if (wanted.trim() === "*") return true;
	const [own] = etag.match(HASH) ?? [];
	const validators = wanted.match(/"[^"]*"/g) ?? [];
	return validators.some((validator) => validator.match(HASH)?.[0] === own);
}
