// Postern's own users, as the database keeps them: a typed client of the functions in schema `postern`, which only the gateway
// may call. Passwords and refresh tokens pass through here and are kept nowhere.
import * as z from "zod/mini";
import { callFunction } from "../http/database.ts";
import { parseExactJson } from "../http/exact-json.ts";
import { jsonObject } from "../http/fields.ts";
import {
	Refusal,
	type RefusalCode,
	type RefusalOptions,
} from "../http/refusals.ts";
import { GATEWAY } from "../identity/identity.ts";
import type { Pipeline } from "../pipeline.ts";

const user = z.lazy(() =>
	z.object({
		// Any uuid of PostgreSQL's, also one that is not of a version that RFC 9562 knows: users can come from another system.
		id: z.guid(),
		email: z.string(),
		fullname: z.string(),
		user_metadata: jsonObject(),
		created_at: z.string(),
		updated_at: z.string(),
		last_sign_in_at: z.nullable(z.string()),
	}),
);

export type User = z.infer<typeof user>;

const signedIn = z.lazy(() =>
	z.object({
		user,
		session: z.object({ id: z.guid(), refresh_token: z.string() }),
	}),
);

/** A user with a session that has just begun or been refreshed. */
export type SignedIn = z.infer<typeof signedIn>;

const outcomeAnswer = z.lazy(() =>
	z.looseObject({
		outcome: z.string(),
		/** Seconds. */
		retryAfter: z.optional(z.number()),
	}),
);

/** The refusal of each outcome that the database names. */
const OUTCOMES: Record<string, RefusalCode> = {
	email_taken: "user_already_exists",
	invalid_email: "body_invalid",
	invalid_fullname: "body_invalid",
	invalid_password: "weak_password",
	same_password: "same_password",
	wrong_current_password: "current_password_invalid",
	invalid_user_metadata: "body_invalid",
	invalid_credentials: "invalid_credentials",
	refresh_token_unknown: "refresh_token_not_found",
	refresh_token_reused: "refresh_token_already_used",
	session_ended: "session_not_found",
	session_not_found: "session_not_found",
	throttled: "over_request_rate_limit",
};

/** GoTrue has another code for an address that is taken when a user changes to it. */
const OUTCOMES_OF_CHANGES: Record<string, RefusalCode> = {
	...OUTCOMES,
	email_taken: "email_exists",
};

/** What the caller has to mend, by the fields of the request's body. */
const DETAILS: Record<string, string> = {
	invalid_email: "email is not an e-mail address",
	invalid_fullname: "fullname has to have 1 to 300 characters",
	invalid_user_metadata: "data has more than 4096 bytes",
};

export interface Credentials {
	email: string;
	password: string;
}

export interface NewUser extends Credentials {
	fullname: string;
	userMetadata: Record<string, unknown>;
}

export interface UserChanges {
	email?: string | undefined;
	password?: string | undefined;
	/** Where it is given, it has to be the right one. */
	current_password?: string | undefined;
	fullname?: string | undefined;
	user_metadata?: Record<string, unknown> | undefined;
}

/** Names a session, from a verified access token. */
export interface SessionOf {
	userId: string;
	sessionId: string;
}

export type SignOutScope = "local" | "global" | "others";

export interface Accounts {
	/** @param address the caller's network address, for throttling */
	signUp(newUser: NewUser, address: string): Promise<SignedIn>;
	/** An unknown e-mail and a wrong password get the same answer after the same time. */
	signIn(credentials: Credentials, address: string): Promise<SignedIn>;
	/** A refresh token that is more than one refresh old ends the session. */
	refresh(refreshToken: string, address: string): Promise<SignedIn>;
	signOut(of: SessionOf, scope: SignOutScope): Promise<void>;
	getUser(of: SessionOf): Promise<User>;
	updateUser(of: SessionOf, changes: UserChanges): Promise<User>;
}

/** bcrypt ignores what follows. */
const MAX_PASSWORD_BYTES = 72;
const MIN_PASSWORD_CHARACTERS = 6;

/** What supabase-js makes an AuthWeakPasswordError of. */
const WRONG_LENGTH: RefusalOptions = {
	fields: { weak_password: { reasons: ["length"] } },
};

/** @throws {Refusal} `weak_password`, saying why */
function checkPassword(password: string): void {
	if ([...password].length < MIN_PASSWORD_CHARACTERS)
		throw weakPassword(`has fewer than ${MIN_PASSWORD_CHARACTERS} characters`);
	if (new TextEncoder().encode(password).length > MAX_PASSWORD_BYTES)
		throw weakPassword(`has more than ${MAX_PASSWORD_BYTES} bytes`);
}

function weakPassword(fault: string): Refusal {
	return new Refusal("weak_password", {
		details: `password ${fault}`,
		...WRONG_LENGTH,
	});
}

/** @param bcryptCost work factor of new password hashes: the logarithm of the rounds */
export function createAccounts(
	pipeline: Pipeline,
	bcryptCost: number,
): Accounts {
	return {
		async signUp({ email, password, fullname, userMetadata }, address) {
			checkPassword(password);
			return ask(signedIn, "sign_up", {
				email,
				password,
				fullname,
				user_metadata: userMetadata,
				bcrypt_cost: bcryptCost,
				address,
			});
		},
		signIn: ({ email, password }, address) =>
			ask(signedIn, "sign_in", {
				email,
				password,
				bcrypt_cost: bcryptCost,
				address,
			}),
		refresh: (refreshToken, address) =>
			ask(signedIn, "refresh_session", {
				refresh_token: refreshToken,
				address,
			}),
		async signOut({ userId, sessionId }, scope) {
			await ask(z.unknown(), "sign_out", {
				user_id: userId,
				session_id: sessionId,
				scope,
			});
		},
		async getUser({ userId, sessionId }) {
			const answer = await ask(z.object({ user }), "get_user", {
				user_id: userId,
				session_id: sessionId,
			});
			return answer.user;
		},
		async updateUser({ userId, sessionId }, changes) {
			if (changes.password !== undefined) checkPassword(changes.password);
			const answer = await ask(z.object({ user }), "update_user", {
				user_id: userId,
				session_id: sessionId,
				changes,
				bcrypt_cost: bcryptCost,
			});
			return answer.user;
		},
	};

	/** @throws {Refusal} for any outcome but `ok` */
	async function ask<Schema extends z.ZodMiniType>(
		schema: Schema,
		name: string,
		parameters: Record<string, unknown>,
	): Promise<z.infer<Schema>> {
		const answer = outcomeAnswer.parse(await call(name, parameters));
		if (answer.outcome === "ok") return schema.parse(answer);
		throw refusalOf(
			answer,
			name === "update_user" ? OUTCOMES_OF_CHANGES : OUTCOMES,
		);
	}

	/** Calls a function of schema `postern`. postgrest-js would round the numbers in a user's metadata. */
	async function call(
		name: string,
		parameters: Record<string, unknown>,
	): Promise<unknown> {
		const call = { name, parameters };
		const { json } = await callFunction(pipeline, GATEWAY, call);
		return parseExactJson(json);
	}
}

function refusalOf(
	{ outcome, retryAfter }: z.infer<typeof outcomeAnswer>,
	codes: Record<string, RefusalCode>,
): Refusal {
	const code = codes[outcome];
	if (code === undefined) {
		return new Refusal("internal_error", {
			cause: new Error(`The database answers ${outcome}`),
		});
	}
	const details = DETAILS[outcome];
	return new Refusal(code, {
		...(details === undefined ? {} : { details }),
		...(code === "weak_password" ? WRONG_LENGTH : {}),
		...(retryAfter === undefined
			? {}
			: { headers: { "Retry-After": String(retryAfter) } }),
	});
}
