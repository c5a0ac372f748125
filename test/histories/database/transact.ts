// Runs one transaction in SQL, past the gateway, and returns its record for the history.
import { setTimeout as sleep } from "node:timers/promises";
import { now, type Write } from "../check/history.ts";

/** Statements of one transaction, and pauses between them in milliseconds. */
export type SqlWrite = readonly (string | number)[];

/** The part of a connection that this file uses. */
interface Queryable {
	query(text: string, values?: unknown[]): Promise<unknown>;
}

export async function transact(
	client: Queryable,
	statements: SqlWrite,
	operation: string,
	session: string,
): Promise<Write> {
	const sentAt = now();
	let outcome = "committed";
	try {
		await client.query("begin");
		await client.query("select set_config('histories.operation', $1, true)", [
			operation,
		]);
		for (const statement of statements) {
			if (typeof statement === "number") await sleep(statement);
			else await client.query(statement);
		}
		await client.query("commit");
	} catch (error) {
		outcome = error instanceof Error ? error.message : String(error);
		await client.query("rollback");
	}
	return {
		kind: "write",
		session,
		sentAt,
		endedAt: now(),
		operation,
		description: statements.join("; "),
		isAcknowledged: outcome === "committed",
		hasEffect: false,
		isCausal: false,
		outcome,
	};
}
