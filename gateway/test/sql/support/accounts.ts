// Users and sessions in a test: inserted, or made by the functions of schema postern, called by the names of their
// arguments as PostgREST calls them.

import { actors, type Row, type Session, type User } from "./session.ts";

/** The answer of the functions of schema postern. */
export interface Answer {
	readonly outcome: string;
	readonly retryAfter?: number;
	readonly user?: Row;
	readonly session?: { readonly id: string; readonly refresh_token: string };
}

export type Arguments = Readonly<Record<string, unknown>>;

/** The lowest cost of bcrypt. */
export const CHEAP = 4;

export const PASSWORD = "correct horse";

/** `{ text, values }` of a query that calls a function and has its answer in the column `answer`. */
export function callOf(name: string, args: Arguments) {
	const named = Object.keys(args).map(
		(argument, index) => `${argument} => $${index + 1}`,
	);
	return {
		text: `select postern.${name}(${named.join(", ")}) as answer`,
		values: Object.values(args).map((value) =>
			typeof value === "object" && value !== null
				? JSON.stringify(value)
				: value,
		),
	};
}

/** Calls a function of schema postern as the gateway. */
export async function call(
	db: Session,
	name: string,
	args: Arguments,
): Promise<Answer> {
	const { text, values } = callOf(name, args);
	const [row] = await db.as(actors.postern, text, ...values);
	return row?.answer as Answer; // the functions are declared to return this
}

export function signUp(db: Session, args: Arguments = {}): Promise<Answer> {
	return call(db, "sign_up", signUpArguments(args));
}

export function signUpArguments(args: Arguments = {}): Arguments {
	return {
		email: "ada@example.test",
		password: PASSWORD,
		fullname: "Ada",
		user_metadata: {},
		bcrypt_cost: CHEAP,
		address: null,
		...args,
	};
}

export function signIn(db: Session, args: Arguments = {}): Promise<Answer> {
	return call(db, "sign_in", {
		email: "ada@example.test",
		password: PASSWORD,
		bcrypt_cost: CHEAP,
		address: null,
		...args,
	});
}

export function refresh(
	db: Session,
	refreshToken: unknown,
	address: string | null = null,
): Promise<Answer> {
	return call(db, "refresh_session", { refresh_token: refreshToken, address });
}

/** The arguments that name a session, from the answer that began it. */
export function sessionOf({ user, session }: Answer): Arguments {
	return { user_id: user?.id, session_id: session?.id };
}

export async function isAlive(db: Session, begun: Answer): Promise<boolean> {
	const { outcome } = await call(db, "get_user", sessionOf(begun));
	return outcome === "ok";
}

/** Lets time pass: makes all rows of schema auth older. */
export async function pass(db: Session, time: string): Promise<void> {
	for (const statement of [
		"update auth.throttles set until = until - $1::interval",
		"update auth.sessions set created_at = created_at - $1::interval, refreshed_at = refreshed_at - $1::interval, ended_at = ended_at - $1::interval",
		"update auth.refresh_tokens set issued_at = issued_at - $1::interval",
	]) {
		await db.query(statement, time);
	}
}

/** Makes the users of actors. They cannot sign in: their password hash matches no password. */
export async function addUsers(
	db: Session,
	...users: readonly User[]
): Promise<void> {
	for (const { id, name } of users) {
		await db.query(
			"insert into auth.users (id, email, password_hash, fullname) values ($1, $2, '$2a$04$' || repeat('.', 53), $3)",
			id,
			`${id}@example.test`,
			name,
		);
	}
}

/** As after an ANALYZE of a table that has no rows: the planner expects one at most. */
export async function letSeemEmpty(
	db: Session,
	...tables: string[]
): Promise<void> {
	for (const table of tables)
		await db.query(
			"update pg_class set reltuples = 0, relpages = 1 where oid = $1::regclass",
			table,
		);
}
