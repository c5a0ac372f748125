// Consistency tokens: what a client has seen. Each stands for everything that was committed before a moment, by the clock of
// one run of the change feed's object. Clients send them back in a header. A token is no secret and opaque to clients.
// A client's token can only make an answer newer.

/** What a poll of the change feed has seen: everything committed before it began. */
export interface Position {
	readonly feedEpoch: string;
	readonly objectRun: string;
	/** When the poll began, by the object's clock, in whole milliseconds. */
	readonly asOf: number;
}

export const TOKEN_HEADER = "Postern-Token";

/** No position covers this token, so a read that sends it forces a poll. */
export const FORCING_TOKEN = "0";

const POSITION = /^([\w-]+)\.([\w-]+)\.([\da-z]{1,10})$/;

const WELL_FORMED = /^[\w.-]{1,200}$/;

/** More than a client collects by requests in parallel. A longer list is replaced by one token that forces a poll. */
const MAX_TOKENS = 32;

export function toConsistencyToken({
	feedEpoch,
	objectRun,
	asOf,
}: Position): string {
	return `${feedEpoch}.${objectRun}.${asOf.toString(36)}`;
}

/**
 * Whether a poll at `position` shows everything that the token stands for.
 * False where that cannot be known: clocks of two runs of the object are never compared.
 */
export function covers(position: Position, consistencyToken: string): boolean {
	const [, feedEpoch, objectRun, asOf = ""] =
		POSITION.exec(consistencyToken) ?? [];
	return (
		feedEpoch === position.feedEpoch &&
		objectRun === position.objectRun &&
		Number.parseInt(asOf, 36) <= position.asOf
	);
}

/** The tokens of a request or an answer. */
export function consistencyTokensIn(headers: Headers): readonly string[] {
	return parseConsistencyTokens((headers.get(TOKEN_HEADER) ?? "").split(","));
}

export function setConsistencyTokens(
	headers: Headers,
	consistencyTokens: readonly string[],
): void {
	headers.set(TOKEN_HEADER, consistencyTokens.join(", "));
}

/** @returns each token once; the forcing token in place of a malformed one, and of too many */
export function parseConsistencyTokens(
	texts: readonly string[],
): readonly string[] {
	const tokens = texts
		.map((text) => text.trim())
		.filter((text) => text !== "")
		.map((text) => (WELL_FORMED.test(text) ? text : FORCING_TOKEN));
	const different = [...new Set(tokens)];
	return different.length > MAX_TOKENS ? [FORCING_TOKEN] : different;
}
