// The `it` of these tests: `db` is a transaction of the test's own, rolled back at its end, in which statements run as an actor.

import pg from "pg";
import { it as base, inject } from "vitest";

/** A caller who runs a statement: the role and the claims that PostgREST would set for a request. */
export interface Actor {
	readonly name: string;
	readonly role: string;
	readonly claims: Readonly<Record<string, string>>;
}

/** A caller with a user's access token. The test makes the user: see `addUsers`. */
export interface User extends Actor {
	readonly id: string;
}

const ada = user("ada", "0b5c6a52-5d0a-4f0e-9d43-00000000000a");
const grace = user("grace", "0b5c6a52-5d0a-4f0e-9d43-00000000000b");
const anon: Actor = { name: "anon", role: "anon", claims: { role: "anon" } };
/** A trusted program, with a secret key. */
const service: Actor = {
	name: "service",
	role: "service",
	claims: { role: "service" },
};
/** The gateway itself. */
const postern: Actor = {
	name: "postern",
	role: "postern",
	claims: { role: "postern" },
};
/** PostgREST itself, before it has taken on a role. */
const authenticator: Actor = {
	name: "authenticator",
	role: "authenticator",
	claims: {},
};

export const actors = {
	ada,
	grace,
	anon,
	service,
	postern,
	authenticator,
} as const;
export const everyActor: readonly Actor[] = Object.values(actors);

export function user(name: string, id: string): User {
	return {
		name: `authenticated (${name})`,
		role: "authenticated",
		claims: { role: "authenticated", sub: id },
		id,
	};
}

export type Row = Record<string, unknown>;

export class Session {
	readonly #client: pg.Client;

	constructor(client: pg.Client) {
		this.#client = client;
	}

	/** Runs one statement as the owner of everything. */
	async query(statement: string, ...values: unknown[]): Promise<Row[]> {
		const { rows } = await this.#client.query<Row>(statement, values);
		return rows;
	}

	/** Runs one statement as an actor. A refusal undoes only that statement, so the test can go on. */
	async as(
		actor: Actor,
		statement: string,
		...values: unknown[]
	): Promise<Row[]> {
		await this.query("savepoint statement");
		try {
			await this.query(
				"select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
				actor.role,
				JSON.stringify(actor.claims),
			);
			const rows = await this.query(statement, ...values);
			await this.query("set local role none");
			return rows;
		} catch (error) {
			await this.query("rollback to savepoint statement");
			throw error;
		}
	}
}

export const testDatabase = databaseOfThisProcess();
const { ownerUrl, authenticatorUrl } = testDatabase;

/** Files that run at the same time have different servers. */
function databaseOfThisProcess() {
	const own = inject("testDatabases")[Number(process.env.VITEST_POOL_ID) - 1];
	if (own === undefined) throw new Error("This process has no database.");
	return own;
}

export const it = base
	.extend("ownerUrl", { scope: "worker" }, ownerUrl)
	.extend("authenticatorUrl", { scope: "worker" }, authenticatorUrl)
	.extend("db", async ({ ownerUrl }, { onCleanup }) => {
		const client = new pg.Client({ connectionString: ownerUrl });
		await client.connect();
		onCleanup(() => client.end());
		await client.query("begin"); // never committed: the connection ends with the test
		return new Session(client);
	});
