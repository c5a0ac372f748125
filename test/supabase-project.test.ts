// An unmodified supabase-js with the keys of a Supabase project, before a PostgREST that is set up as Supabase's is. What the database
// sees and answers is compared with the same PostgREST directly.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { outcomeOf } from "./support/actors.ts";
import {
	legacyKey,
	PUBLISHABLE,
	SB_SECRET,
	SECRET,
	type SupabaseProject,
	sign,
	startProject,
	userToken,
} from "./support/supabase/project.ts";
import { tellStoryOfRows } from "./support/supabase/rows-story.ts";

let project: SupabaseProject;

beforeAll(async () => {
	project = await startProject(`
		create table public.letters (id int primary key, owner text, audience text);
		alter table public.letters enable row level security;
		create policy own on public.letters to authenticated using (
			owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')
			and (audience is null or audience = (current_setting('request.jwt.claims')::jsonb ->> 'aud'))
		);
		insert into public.letters values (1, 'ada', null), (2, 'bob', null), (3, 'ada', 'authenticated');
		create function public.claims() returns jsonb language sql stable set search_path = '' as $$
			select current_setting('request.jwt.claims')::jsonb || jsonb_build_object('current_user', current_user)
		$$;
	`);
});

afterAll(() => project.stop());

async function lettersOf(key: string, token?: string) {
	const { data, error } = await project
		.clientOf(key, token)
		.from("letters")
		.select("id")
		.order("id");
	return error?.code ?? data?.map(({ id }) => id);
}

const KEYS: [string, () => Promise<string>, number[]][] = [
	["anon", () => legacyKey("anon"), []],
	["sb_publishable", async () => PUBLISHABLE, []],
	["service_role", () => legacyKey("service_role"), [1, 2, 3]],
	["sb_secret", async () => SB_SECRET, [1, 2, 3]],
];

describe.each(KEYS)("supabase-js with the key %s", (_, keyOf, own) => {
	it("reads as the key's role without a user", async () => {
		const key = await keyOf();
		expect([await lettersOf(key), await lettersOf(key)]).toEqual([own, own]);
	});

	it("reads as its user, and each user the own rows", async () => {
		const key = await keyOf();
		for (const [user, letters] of [
			["ada", [1, 3]],
			["bob", [2]],
			["ada", [1, 3]],
			["eve", []],
		] as const)
			expect(await lettersOf(key, await userToken(user))).toEqual(letters);
	});

	it("is refused with a token that the project did not sign", async () => {
		const forged = await sign(
			{
				iss: "http://127.0.0.1:54321/auth/v1",
				aud: "authenticated",
				role: "authenticated",
			},
			`${SECRET}!`,
		);
		expect(await lettersOf(await keyOf(), forged)).toBe("token_rejected");
	});
});

it("refuses supabase-js with a key that the project does not have", async () => {
	expect([
		await lettersOf(`${SB_SECRET}x`),
		await lettersOf(
			await sign({ iss: "supabase", role: "anon" }, `${SECRET}!`),
		),
		await lettersOf(await legacyKey("postgres")),
	]).toEqual(["key_rejected", "token_rejected", "role_refused"]);
});

describe.each([
	["legacy", () => legacyKey("anon"), () => legacyKey("service_role")],
	["publishable and secret", async () => PUBLISHABLE, async () => SB_SECRET],
])("an app with the %s keys", (_, keyOf, secretKeyOf) => {
	let key: string;
	beforeAll(async () => {
		key = await keyOf();
	});

	tellStoryOfRows({
		async user(fullname, fetcher) {
			const id = await project.signUp(fullname);
			return {
				id,
				client: project.clientOf(key, await userToken(id), fetcher),
			};
		},
		anonymous: () => ({ client: project.clientOf(key) }),
		service: async () => ({ client: project.clientOf(await secretKeyOf()) }),
		schema: "public",
		todosOfNobody: { status: 200, data: [] },
		changesOfNobody: [
			{ status: 401, error: { code: "42501" } },
			{ status: 200, data: [] },
			{ status: 200, data: [] },
		],
	});
});

describe("the claims that the database sees", () => {
	it.each([
		["a user's", () => userToken("ada")],
		["a user's with jti", () => userToken("ada", { jti: "1", aal: "aal1" })],
		["those of anon", () => legacyKey("anon")],
		["those of service_role", () => legacyKey("service_role")],
	])("are those that it sees without the gateway: %s", async (_, tokenOf) => {
		const headers = { authorization: `Bearer ${await tokenOf()}` };
		const [through, without] = await Promise.all(
			[`${project.gateway}/rest/v1`, project.direct].map(async (base) =>
				(await fetch(`${base}/rpc/claims`, { headers })).json(),
			),
		);
		expect(through).toEqual(without);
	});
});

it("keeps its own schema to itself, with any of the keys", async () => {
	for (const [, keyOf] of KEYS) {
		const response = await fetch(`${project.gateway}/rest/v1/api_keys`, {
			headers: { apikey: await keyOf(), "accept-profile": "postern" },
		});
		expect(await outcomeOf(response)).toBe("406 schema_refused");
	}
});
