// Reads the path and the query of a URL. A usual one is not parsed: each parsed URL is an object of the runtime's.

export interface UrlParts {
	readonly pathname: string;
	/** With its question mark; empty where there is no query. */
	readonly search: string;
}

/** A URL whose path and query the parser leaves as they are. It encodes other characters, and takes dots in a path for steps (URL Standard, section 4.4). */
const PLAIN = /^https?:\/\/[\w.:-]+(\/[\w/-]*)(\?[!$%&(-;=?-_a-~]+)?$/;

/** @throws {TypeError} where it is no URL */
export function partsOf(url: string): UrlParts {
	const plain = PLAIN.exec(url);
	if (plain === null) return new URL(url);
	const [, pathname = "", search = ""] = plain;
	return { pathname, search };
}
