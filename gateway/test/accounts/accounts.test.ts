// The questions to the database about users and sessions, and what its answers become.
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { type Accounts, createAccounts } from "../../src/accounts/accounts.ts";
import { Refusal } from "../../src/http/refusals.ts";
import { createOrigin } from "../../src/origin/origin.ts";
import { createSign } from "../../src/origin/sign.ts";
import { parseConfig } from "../../src/settings/settings.ts";
import {
	answering,
	REFRESH_TOKEN,
	SESSION_ID,
	SIGNED_IN,
	USER,
	USER_ID,
} from "../support/accounts.ts";
import { ENV } from "../support/gateway.ts";
import {
	type Answer,
	elsewhere,
	postgrestError,
	recordingOrigin,
} from "../support/origin.ts";
import { NOW } from "../support/tokens.ts";

const BCRYPT_COST = 11;
const ADDRESS = "192.0.2.7";
const PASSWORD = "correct horse";

/** A client of a database that gives this answer. */
function start(answer: Answer) {
	const origin = recordingOrigin(answer);
	const config = parseConfig(ENV);
	const sign = createSign(config.origin, () => NOW);
	const pipeline = createOrigin(config.origin, sign, origin.fetch, "/rest/v1");
	return { accounts: createAccounts(pipeline, BCRYPT_COST), origin };
}

type Ask = (accounts: Accounts) => Promise<unknown>;

const SESSION_OF = { userId: USER_ID, sessionId: SESSION_ID };

interface Question {
	name: string;
	ask: Ask;
	parameters: object;
	/** The database's answer, and the result. */
	ok: object;
	expected: unknown;
}

const signedIn = { user: USER, session: SIGNED_IN.session };

const QUESTIONS: Question[] = [
	{
		name: "sign_up",
		ask: (accounts) =>
			accounts.signUp(
				{
					email: USER.email,
					password: PASSWORD,
					fullname: USER.fullname,
					userMetadata: { likes: ["engines"] },
				},
				ADDRESS,
			),
		parameters: {
			email: USER.email,
			password: PASSWORD,
			fullname: USER.fullname,
			user_metadata: { likes: ["engines"] },
			bcrypt_cost: BCRYPT_COST,
			address: ADDRESS,
		},
		ok: SIGNED_IN,
		expected: signedIn,
	},
	{
		name: "sign_in",
		ask: (accounts) =>
			accounts.signIn({ email: USER.email, password: PASSWORD }, ADDRESS),
		parameters: {
			email: USER.email,
			password: PASSWORD,
			bcrypt_cost: BCRYPT_COST,
			address: ADDRESS,
		},
		ok: SIGNED_IN,
		expected: signedIn,
	},
	{
		name: "refresh_session",
		ask: (accounts) => accounts.refresh(REFRESH_TOKEN, ADDRESS),
		parameters: { refresh_token: REFRESH_TOKEN, address: ADDRESS },
		ok: SIGNED_IN,
		expected: signedIn,
	},
	...(["local", "global", "others"] as const).map(
		(scope): Question => ({
			name: "sign_out",
			ask: (accounts) => accounts.signOut(SESSION_OF, scope),
			parameters: { user_id: USER_ID, session_id: SESSION_ID, scope },
			ok: { outcome: "ok" },
			expected: undefined,
		}),
	),
	{
		name: "get_user",
		ask: (accounts) => accounts.getUser(SESSION_OF),
		parameters: { user_id: USER_ID, session_id: SESSION_ID },
		ok: { outcome: "ok", user: USER },
		expected: USER,
	},
	{
		name: "update_user",
		ask: (accounts) =>
			accounts.updateUser(SESSION_OF, {
				email: "countess@example.com",
				password: "another horse",
				current_password: PASSWORD,
				fullname: undefined,
				user_metadata: { likes: null },
			}),
		parameters: {
			user_id: USER_ID,
			session_id: SESSION_ID,
			changes: {
				email: "countess@example.com",
				password: "another horse",
				current_password: PASSWORD,
				user_metadata: { likes: null },
			},
			bcrypt_cost: BCRYPT_COST,
		},
		ok: { outcome: "ok", user: USER },
		expected: USER,
	},
];

/** The refusal that is thrown. */
async function refusalOf(asking: Promise<unknown>) {
	try {
		await asking;
	} catch (error) {
		if (!(error instanceof Refusal)) throw error;
		return { code: error.code, message: error.message, headers: error.headers };
	}
	throw new Error("nothing was refused");
}

describe.each(QUESTIONS)("$name", ({ name, ask, parameters, ok, expected }) => {
	it("calls the function in schema postern, with the gateway's own role", async () => {
		const { accounts, origin } = start(answering({ [name]: ok }));
		await ask(accounts);
		const { method, target, headers } = origin.only();
		const token = headers.get("authorization")?.slice("Bearer ".length) ?? "";
		const { iat: _, exp: __, ...claims } = decodeJwt(token);
		expect([
			method,
			target,
			headers.get("content-profile"),
			headers.get("content-type"),
			claims,
		]).toEqual([
			"POST",
			`/rpc/${name}`,
			"postern",
			"application/json",
			{ role: "postern", aud: "postgrest" },
		]);
	});

	it("passes these parameters and no others", async () => {
		const { accounts, origin } = start(answering({ [name]: ok }));
		await ask(accounts);
		expect(JSON.parse(origin.only().body)).toEqual(parameters);
	});

	it("returns the database's answer", async () => {
		const { accounts } = start(answering({ [name]: ok }));
		expect(await ask(accounts)).toEqual(expected);
	});

	it("is sent once, even if it fails", async () => {
		const { accounts, origin } = start(postgrestError(503, "PGRST002"));
		await expect(ask(accounts)).rejects.toThrow();
		expect(origin.received).toHaveLength(1);
	});

	it.each([[null], [[]], ["ok"], [1], [{}], [{ outcome: 1 }]])(
		"fails if the database answers %j",
		async (answer) => {
			const { accounts } = start(answering({ [name]: answer }));
			await expect(ask(accounts)).rejects.toThrow();
		},
	);
});

describe.each<[string, Answer]>([
	["refuses in HTML", () => html(502)],
	["refuses in silence", () => elsewhere(null, { status: 404 })],
	["answers in HTML", () => html(200)],
])("another server than PostgREST that %s", (_, answer) => {
	it.each(QUESTIONS)(
		"is not taken for the database: $name",
		async ({ ask }) => {
			const { accounts } = start(answer);
			expect((await refusalOf(ask(accounts))).code).toBe("origin_unreachable");
		},
	);
});

function html(status: number): Response {
	return elsewhere("<html>", {
		status,
		headers: { "Content-Type": "text/html" },
	});
}

describe("an incomplete answer", () => {
	const withUser = QUESTIONS.filter(({ ok }) => "user" in ok);

	it.each(withUser)("is not accepted: $name", async ({ name, ask, ok }) => {
		const broken = [
			{ ...ok, user: undefined },
			{ ...ok, user: { ...USER, id: "ada" } },
			{ ...ok, user: { ...USER, email: null } },
			{ ...ok, user: { ...USER, user_metadata: [] } },
			...("session" in ok
				? [
						{ ...ok, session: undefined },
						{ ...ok, session: { id: SESSION_ID } },
					]
				: []),
		];
		for (const answer of broken) {
			const { accounts } = start(answering({ [name]: answer }));
			await expect(ask(accounts)).rejects.toThrow();
		}
	});

	it.each(withUser)(
		"may have any id that a uuid is: $name",
		async (question) => {
			const { name, ask, ok } = question;
			const id = "00000000-0000-0000-0000-000000000001";
			const { accounts } = start(
				answering({ [name]: { ...ok, user: { ...USER, id } } }),
			);
			await expect(ask(accounts)).resolves.toBeDefined();
		},
	);

	it.each(withUser)("may have no last sign-in: $name", async (question) => {
		const { name, ask, ok } = question;
		const { accounts } = start(
			answering({
				[name]: { ...ok, user: { ...USER, last_sign_in_at: null } },
			}),
		);
		await expect(ask(accounts)).resolves.toBeDefined();
	});
});

describe("an outcome", () => {
	describe.each(QUESTIONS)("of $name", ({ name, ask }) => {
		it.each([
			[
				"email_taken",
				name === "update_user" ? "email_exists" : "user_already_exists",
			],
			["invalid_email", "body_invalid"],
			["invalid_fullname", "body_invalid"],
			["invalid_user_metadata", "body_invalid"],
			["invalid_password", "weak_password"],
			["same_password", "same_password"],
			["wrong_current_password", "current_password_invalid"],
			["invalid_credentials", "invalid_credentials"],
			["refresh_token_unknown", "refresh_token_not_found"],
			["refresh_token_reused", "refresh_token_already_used"],
			["session_ended", "session_not_found"],
			["session_not_found", "session_not_found"],
			["throttled", "over_request_rate_limit"],
			["something_else", "internal_error"],
			["OK", "internal_error"],
		])("is a refusal: %s is %s", async (outcome, code) => {
			const { accounts } = start(answering({ [name]: { outcome } }));
			expect(await refusalOf(ask(accounts))).toMatchObject({
				code,
				headers: {},
			});
		});

		it("says when to try again", async () => {
			const { accounts } = start(
				answering({ [name]: { outcome: "throttled", retryAfter: 42 } }),
			);
			expect(await refusalOf(ask(accounts))).toMatchObject({
				code: "over_request_rate_limit",
				headers: { "Retry-After": "42" },
			});
		});
	});

	it.each([
		["invalid_email", "email is not an e-mail address"],
		["invalid_fullname", "fullname has to have 1 to 300 characters"],
		["invalid_user_metadata", "data has more than 4096 bytes"],
	])("names the wrong field: %s", async (outcome, words) => {
		const { accounts } = start(answering({ get_user: { outcome } }));
		const { message } = await refusalOf(accounts.getUser(SESSION_OF));
		expect(message).toContain(words);
	});

	it("that is unknown is named in the log", async () => {
		const { accounts } = start(answering({ get_user: { outcome: "strange" } }));
		await expect(accounts.getUser(SESSION_OF)).rejects.toMatchObject({
			cause: new Error("The database answers strange"),
		});
	});
});

describe("a password", () => {
	const changes: [string, (accounts: Accounts, password: string) => unknown][] =
		[
			[
				"sign_up",
				(accounts, password) =>
					accounts.signUp(
						{ email: USER.email, password, fullname: "Ada", userMetadata: {} },
						ADDRESS,
					),
			],
			[
				"update_user",
				(accounts, password) => accounts.updateUser(SESSION_OF, { password }),
			],
		];
	const answers = answering({
		sign_up: SIGNED_IN,
		sign_in: SIGNED_IN,
		update_user: { outcome: "ok", user: USER },
	});

	describe.each(changes)("for %s", (_, change) => {
		it.each([
			["six characters", "abcdef"],
			["six characters of many bytes", "🔑🔒🔓🗝🔏🔐"],
			["72 bytes", "x".repeat(72)],
			["72 bytes in 36 characters", "é".repeat(36)],
			["72 bytes in 24 characters", "語".repeat(24)],
			["72 bytes in 18 characters", "🔑".repeat(18)],
		])("may have %s", async (_, password) => {
			const { accounts, origin } = start(answers);
			await change(accounts, password);
			expect(origin.received).toHaveLength(1);
		});

		it.each([
			["no character", "", "fewer than 6 characters"],
			["five characters", "abcde", "fewer than 6 characters"],
			[
				"five characters of many bytes",
				"🔑".repeat(5),
				"fewer than 6 characters",
			],
			["73 bytes", "x".repeat(73), "more than 72 bytes"],
			["73 bytes in 37 characters", `${"é".repeat(36)}x`, "more than 72 bytes"],
			["75 bytes in 25 characters", "語".repeat(25), "more than 72 bytes"],
			["76 bytes in 19 characters", "🔑".repeat(19), "more than 72 bytes"],
		])("with %s is refused, and not sent", async (_, password, words) => {
			const { accounts, origin } = start(answers);
			const { code, message } = await refusalOf(
				Promise.resolve(change(accounts, password)),
			);
			expect([code, message.includes(words), origin.received]).toEqual([
				"weak_password",
				true,
				[],
			]);
		});

		it("is not repeated in the refusal", async () => {
			const { accounts } = start(answers);
			const { message } = await refusalOf(
				Promise.resolve(change(accounts, "tiny!")),
			);
			expect(message).not.toContain("tiny!");
		});
	});

	it("may be any for sign_in, because it was checked when it was set", async () => {
		const { accounts, origin } = start(answers);
		await accounts.signIn({ email: USER.email, password: "x" }, ADDRESS);
		expect(origin.received).toHaveLength(1);
	});
});
