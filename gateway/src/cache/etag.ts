// The ETag of an answer, and the 304 for a client that has the answer already (RFC 9110, sections 8.8.3 and 13.1.2).
import { type Entry, nameOf, sha256 } from "./entry.ts";

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
}: Pick<Entry, "status" | "headers" | "body">): Promise<string> {
	// A digest of the body avoids a copy of it.
	const parts = [status, headers, await sha256(body)];
	return `"${(await nameOf(JSON.stringify(parts))).slice(0, 27)}"`;
}

/** Replaces an answer by a 304 where the client's If-None-Match names its ETag. */
export function conditional(request: Request, answer: Response): Response {
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

/** Weak comparison (section 8.8.3.2): a proxy may have made the validator weak. */
export function matches(wanted: string, etag: string): boolean {
	if (wanted.trim() === "*") return true;
	const validators = wanted.match(/(W\/)?"[^"]*"/g) ?? [];
	return validators.some((validator) => validator.replace(/^W\//, "") === etag);
}
