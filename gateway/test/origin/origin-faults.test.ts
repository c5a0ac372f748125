// Errors of PostgREST that no caller caused: what it says of the gateway's own token, and of a database that it does not reach.
import { describe, expect, it } from "vitest";
import { ADA_TOKEN, refusal, startGateway } from "../support/gateway.ts";
import { type Answer, elsewhere, postgrestError } from "../support/origin.ts";

const JSON_TYPE = { "Content-Type": "application/json; charset=utf-8" };

/** How PostgREST refuses a token, by its version. */
const TOKEN_REFUSED: Record<string, Answer> = {
	"12, another key": jwtError("PGRST301", "JWSError JWSInvalidSignature"),
	"12, a clock that is ahead": jwtError("PGRST301", "JWT not yet valid"),
	"12, another audience": jwtError("PGRST301", "JWT not in audience"),
	"13, another key": jwtError("PGRST301", "No suitable key was found", true),
	"14, a clock that is ahead": jwtError(
		"PGRST303",
		"JWT issued at future",
		true,
	),
	"16, another audience": jwtError("PGRST303", "JWT not in audience", true),
	"12, no token": jwtError("PGRST302", "Anonymous access is disabled"),
	"12, no secret": postgrestError(500, "PGRST300"),
};

describe.each(Object.entries(TOKEN_REFUSED))(
	"a token of the gateway's that PostgREST %s does not accept",
	(_, answer) => {
		it.each([
			["/rest/v1", "GET", "/rest/v1/notes", ADA_TOKEN],
			["/rest/v1 for a write", "POST", "/rest/v1/notes", ADA_TOKEN],
			["/rest/v1 without a token", "GET", "/rest/v1/notes", undefined],
			["a resource route", "GET", "/notes/1", ADA_TOKEN],
			["a look-up of an API key", "GET", "/rest/v1/notes", undefined],
		])("is a 503 with the cause logged: %s", async (_, method, path, token) => {
			const { request, logged } = startGateway({ answer });
			const response = await request(path, {
				method,
				...(token === undefined ? {} : { token }),
			});
			expect(await refusal(response)).toEqual({
				status: 503,
				code: "origin_refused",
			});
			expect(response.headers.get("www-authenticate")).toBeNull();
			expect(String(logged[0])).toMatch(/gateway's token: \d+ PGRST30\d/);
		});
	},
);

describe("a HEAD that PostgREST refuses the gateway's token for", () => {
	it.each([
		[
			"12",
			{
				"WWW-Authenticate":
					'Bearer error="invalid_token", error_description="JWSError"',
			},
		],
		["13", { "Proxy-Status": "PostgREST; error=PGRST301" }],
	])("is a 503: PostgREST %s", async (_, headers) => {
		const answer = () => new Response(null, { status: 401, headers });
		const { request } = startGateway({ answer });
		const { status } = await request("/rest/v1/notes", {
			method: "HEAD",
			token: ADA_TOKEN,
		});
		expect(status).toBe(503);
		expect(await refusal(await request("/ready"))).toEqual({
			status: 503,
			code: "origin_refused",
		});
	});
});

describe("a role that the settings allow and PostgREST cannot take", () => {
	const cannotTake = (role: string): [string, Answer][] => [
		[
			"the database lacks it",
			postgrestError(400, "22023", {
				message: `role "${role}" does not exist`,
			}),
		],
		[
			"PostgREST's role is not a member of it",
			postgrestError(403, "42501", {
				message: `permission denied to set role "${role}"`,
			}),
		],
	];

	describe.each(["/rest/v1/notes", "/notes/1"])("at %s", (path) => {
		it.each(cannotTake("visitor"))(
			"is a 503 for an anonymous caller, with the cause logged: %s",
			async (_, answer) => {
				const { request, logged } = startGateway({
					answer,
					env: { ANON_ROLE: "visitor" },
				});
				const response = await request(path);
				expect(await refusal(response)).toEqual({
					status: 503,
					code: "origin_refused",
				});
				expect(String(logged[0])).toContain('role "visitor"');
			},
		);

		it.each(cannotTake("authenticated"))(
			"is a 503 for a caller with a token: %s",
			async (_, answer) => {
				const { request } = startGateway({ answer });
				expect(
					await refusal(await request(path, { token: ADA_TOKEN })),
				).toEqual({ status: 503, code: "origin_refused" });
			},
		);
	});

	it("is a 503 for HEAD by an anonymous caller", async () => {
		const { request } = startGateway({
			answer: ({ method }) =>
				method === "HEAD"
					? new Response(null, { status: 403, headers: JSON_TYPE })
					: Response.json(
							{
								code: "42501",
								message: 'permission denied to set role "anon"',
							},
							{ status: 403 },
						),
		});
		expect((await request("/rest/v1/notes", { method: "HEAD" })).status).toBe(
			503,
		);
	});

	it.each(cannotTake("teacher"))(
		"is not one that a function names itself: %s",
		async (_, answer) => {
			const { request } = startGateway({ answer });
			const response = await request("/rest/v1/rpc/f", { token: ADA_TOKEN });
			const direct = await answer({} as Parameters<Answer>[0]);
			expect([response.status, await response.text()]).toEqual([
				direct.status,
				await direct.text(),
			]);
		},
	);
});

describe("a 401 that a function gives", () => {
	it.each<[string, Answer]>([
		["by raising PT401", postgrestError(401, "PT401")],
		[
			"as its result, though it looks like PostgREST's",
			() =>
				Response.json(
					{ code: "PGRST301", message: "no" },
					{ status: 401, headers: { "Content-Range": "0-0/*" } },
				),
		],
		[
			"with a challenge of its own",
			() =>
				Response.json(
					{ code: "MINE", message: "no" },
					{ status: 401, headers: { "WWW-Authenticate": "Bearer" } },
				),
		],
	])("passes: %s", async (_, answer) => {
		const { request } = startGateway({ answer });
		const response = await request("/rest/v1/rpc/f", { token: ADA_TOKEN });
		const direct = await answer({} as Parameters<Answer>[0]);
		expect([response.status, await response.text()]).toEqual([
			401,
			await direct.text(),
		]);
	});

	it("passes to HEAD", async () => {
		const answer = () =>
			new Response(null, {
				status: 401,
				headers: { "Proxy-Status": "PostgREST; error=PT401" },
			});
		const { request } = startGateway({ answer });
		const { status } = await request("/rest/v1/rpc/f", {
			method: "HEAD",
			token: ADA_TOKEN,
		});
		expect(status).toBe(401);
	});
});

describe("a database that PostgREST does not reach", () => {
	const address =
		'connection to server at "10.1.2.3", port 5432 failed: Connection refused';

	it.each([
		[503, "PGRST000"],
		[503, "PGRST001"],
		[503, "PGRST002"],
		[504, "PGRST003"],
	])("is %i %s without its address", async (status, code) => {
		const answer = postgrestError(status, code, { details: address });
		const { request } = startGateway({ answer });
		for (const token of [undefined, ADA_TOKEN]) {
			const response = await request(
				"/rest/v1/notes",
				token === undefined ? {} : { token },
			);
			expect([response.status, await response.json()]).toEqual([
				status,
				{ code, message: "message of the database", details: null, hint: null },
			]);
		}
	});

	it("is no reason to change what a function raises", async () => {
		const answer = postgrestError(503, "PT503", { details: address });
		const { request } = startGateway({ answer });
		const response = await request("/rest/v1/rpc/f", { token: ADA_TOKEN });
		expect(await response.json()).toMatchObject({ details: address });
	});
});

describe("/ready takes for PostgREST", () => {
	const ready = async (answer: Answer) =>
		(await startGateway({ answer }).request("/ready")).status;

	it.each<[string, Answer]>([
		["an empty 200", () => elsewhere(null, { status: 200 })],
		["an empty 204", () => elsewhere(null, { status: 204 })],
		["an empty 404", () => elsewhere(null, { status: 404 })],
		["a login page", () => elsewhere("<html>", { status: 200 })],
		[
			"a server that answers in JSON that it has no such page",
			({ method }) =>
				elsewhere(method === "HEAD" ? null : '{"error":"not found"}', {
					status: 404,
					headers: JSON_TYPE,
				}),
		],
	])("not %s", async (_, answer) => {
		expect(await ready(answer)).toBe(503);
	});

	it.each<[string, Answer]>([
		[
			"its OpenAPI document",
			() =>
				elsewhere(null, {
					status: 200,
					headers: {
						"Content-Type": "application/openapi+json; charset=utf-8",
					},
				}),
		],
		[
			"its error where that is turned off",
			({ method }) =>
				elsewhere(
					method === "HEAD"
						? null
						: '{"code":"PGRST126","details":null,"hint":null,"message":"Root endpoint metadata is disabled"}',
					{ status: 404, headers: JSON_TYPE },
				),
		],
	])("%s", async (_, answer) => {
		expect(await ready(answer)).toBe(200);
	});
});

describe("the gateway's own role", () => {
	it.each([
		["a missing privilege", 403, "42501"],
		["a role that the database lacks", 400, "22023"],
	])("meets %s: 503, and the caller is not blamed", async (_, status, code) => {
		const message =
			code === "22023" ? 'role "postern" does not exist' : "permission denied";
		const { request, logged } = startGateway({
			answer: postgrestError(status, code, { message }),
		});
		const response = await request("/rest/v1/notes", {
			headers: { apikey: `postern_secret_${"x".repeat(43)}` },
		});
		expect(await refusal(response)).toEqual({
			status: 503,
			code: "origin_refused",
		});
		expect(
			JSON.stringify(logged[0], ["message"]) + String(logged[0]),
		).toContain(message);
	});
});

function jwtError(code: string, message: string, isNamed = false): Answer {
	const headers: Record<string, string> = {
		...JSON_TYPE,
		"WWW-Authenticate":
			code === "PGRST302"
				? "Bearer"
				: `Bearer error="invalid_token", error_description="${message}"`,
		...(isNamed ? { "Proxy-Status": `PostgREST; error=${code}` } : {}),
	};
	return () =>
		Response.json(
			{ code, message, details: null, hint: null },
			{ status: 401, headers },
		);
}
