// Consistency tokens: what a client has seen. Each stands for everything that was committed before a moment, by the clock of
// one run of the change feed's object; or, where the database has named the transaction of a write, for that transaction and all
// that it saw. Clients send them back in a header. A token is no secret and opaque to clients. A client's token can only make an
// answer newer.

/** A moment of the change feed: when a poll began. The poll shows everything that was committed before. */
interface PollBegin {
	readonly feedEpoch: string;
	readonly objectRun: string;
	/** By the object's clock, in whole milliseconds. */
	readonly asOf: number;
}

/** What polls of the change feed have seen. */
export interface Position extends PollBegin {
	/** `incarnation@snapshot@digest`: the changes of all transactions that the snapshot shows are known (gateway/sql/code/changes_since.sql). */
	readonly cursor: string;
}

export const TOKEN_HEADER = "Postern-Token";

/** No position covers this token, so a read that sends it forces a poll. */
export const FORCING_TOKEN = "0";

/** Answers of PostgREST to writes carry it where it calls `postern.pre_request()`: the incarnation of the database, and the transaction's id. */
export const TRANSACTION_HEADER = "Postern-Transaction";

/** A longer id would lose digits as a number. */
const TRANSACTION = /^([\da-f]{16})\.([1-9]\d{0,14})$/;

const AS_OF = /^[\da-z]{1,10}$/;

const WELL_FORMED = /^[\w.-]{1,200}$/;

/** More than a client collects by requests in parallel. A longer list is replaced by one token that forces a poll. */
const MAX_TOKENS = 32;

export function toConsistencyToken({
	feedEpoch,
	objectRun,
	asOf,
}: PollBegin): string {
	return runOf({ feedEpoch, objectRun }) + asOf.toString(36);
}

/** What the tokens of one run of the object begin with. */
function runOf({ feedEpoch, objectRun }: Omit<PollBegin, "asOf">): string {
	return `${feedEpoch}.${objectRun}.`;
}

/**
 * Takes the name of the write's transaction out of its answer. It is the token of the write: a snapshot that shows the transaction was
 * taken after its end, so it shows everything that the transaction saw as well.
 * @returns undefined where the database has named none
 */
export function takeTransactionToken(headers: Headers): string | undefined {
	const name = headers.get(TRANSACTION_HEADER);
	if (name === null) return undefined;
	headers.delete(TRANSACTION_HEADER);
	return TRANSACTION.test(name) ? name : undefined;
}

/**
 * Whether `position` shows everything that the token stands for.
 * False where that cannot be known: clocks of two runs of the object are never compared, nor transactions of two incarnations.
 */
export function covers(position: Position, consistencyToken: string): boolean {
	const run = runOf(position);
	if (consistencyToken.startsWith(run)) {
		const asOf = consistencyToken.slice(run.length);
		return AS_OF.test(asOf) && Number.parseInt(asOf, 36) <= position.asOf;
	}
	const [, incarnation, transaction] = TRANSACTION.exec(consistencyToken) ?? [];
	return (
		transaction !== undefined &&
		shows(position.cursor, incarnation, transaction)
	);
}

/** As pg_visible_in_snapshot: the transaction is neither later than the snapshot `xmin:xmax:running,…` nor running in it. */
function shows(
	cursor: string,
	incarnation: string | undefined,
	transaction: string,
): boolean {
	const [ofCursor, snapshot = ""] = cursor.split("@");
	const [, end, running = ""] = snapshot.split(":");
	return (
		ofCursor === incarnation &&
		Number(transaction) < Number(end) &&
		!running.split(",").includes(transaction)
	);
}

/** The tokens of a request or an answer. */
export function consistencyTokensIn(headers: Headers): readonly string[] {
	const sent = headers.get(TOKEN_HEADER);
	return sent === null ? [] : parseConsistencyTokens(sent.split(","));
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
