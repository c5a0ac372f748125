// Who is calling, as the rest of the pipeline sees it. Made in identify.ts and nowhere else.

/** Claims of a verified token, by name (RFC 7519). */
export type Claims = Readonly<Record<string, unknown>>;

export interface Identity {
	/** The database role that the request runs as. */
	readonly role: string;
	/** What the origin learns of the caller, beside the role; empty for nobody. */
	readonly claims: Claims;
}
