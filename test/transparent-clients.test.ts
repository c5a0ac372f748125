// Promise 1, transparent: unmodified clients of PostgREST, and browsers, work with the gateway as with PostgREST itself.
import { PostgrestClient } from "@supabase/postgrest-js";
import { createClient } from "@supabase/supabase-js";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callerToken, originToken, stack } from "./support/client.ts";
import { type RawAnswer, sendRaw } from "./support/raw-http.ts";

const REST_URL = `${stack.gatewayUrl}/rest/v1`;
const PRODUCTS = "/rest/v1/products";
const ROW = "serial_number,title,weight_lbs,quantity";

/** The interface that both libraries share. */
type Client = Pick<PostgrestClient, "from" | "rpc">;

type Answer = object & { error: Error | null };

interface CountOptions {
	count?: "exact";
	head?: boolean;
}

const database = new pg.Client(stack.databaseUrl);
beforeAll(() => database.connect());
afterAll(async () => {
	await removeProducts();
	await database.end();
});

/** Three products for these tests. */
async function resetProducts() {
	await removeProducts();
	await database.query(`
		insert into api.products (serial_number, title, weight_lbs, quantity) values
		('client-1', 'Anvil', 100, 5), ('client-2', 'Bolt, "M8"', 0.05, 1000), ('client-3', 'Żuraw', 2.5, 0)`);
}

function removeProducts() {
	return database.query(
		"delete from api.products where serial_number like 'client-%'",
	);
}

function products(client: Client, options?: CountOptions) {
	return client
		.from("products")
		.select(ROW, options)
		.like("serial_number", "client-*");
}

/** Common uses of the libraries. Products are named by serial number, because their ids differ in each run. */
const USES: Record<string, (client: Client) => PromiseLike<Answer>> = {
	select: (client) => products(client).order("serial_number"),
	"select nothing": (client) => products(client).eq("title", "nothing"),
	"filters of all sorts": (client) =>
		products(client)
			.gt("quantity", 0)
			.in("title", ["Anvil", 'Bolt, "M8"'])
			.or("weight_lbs.lt.1,title.ilike.an*")
			.not("title", "is", null)
			.like("title", "%")
			.neq("title", "x")
			.order("weight_lbs", { ascending: false }),
	"text beyond ASCII": (client) => products(client).eq("title", "Żuraw"),
	"order, limit and range": (client) =>
		products(client).order("weight_lbs", { nullsFirst: true }).range(1, 2),
	"a count": (client) =>
		products(client, { count: "exact" }).order("serial_number").limit(1),
	"a count alone": (client) =>
		products(client, { count: "exact", head: true }).gte("quantity", 5),
	"a range past the end": (client) =>
		products(client, { count: "exact" }).range(10, 20),
	"single with one row": (client) =>
		products(client).eq("serial_number", "client-1").single(),
	"single with none": (client) =>
		products(client).eq("serial_number", "none").single(),
	"single with several": (client) => products(client).single(),
	"maybeSingle with one row": (client) =>
		products(client).eq("serial_number", "client-1").maybeSingle(),
	"maybeSingle with none": (client) =>
		products(client).eq("serial_number", "none").maybeSingle(),
	"maybeSingle with several": (client) => products(client).maybeSingle(),
	csv: (client) => products(client).order("serial_number").csv(),
	stripNulls: (client) => products(client).order("serial_number").stripNulls(),
	explain: (client) => products(client).explain(),
	insert: (client) =>
		client
			.from("products")
			.insert({ serial_number: "client-4", title: "Nail", weight_lbs: 0.01 }),
	"insert and select": (client) =>
		client
			.from("products")
			.insert({ serial_number: "client-4", title: "Nail", weight_lbs: 0.01 })
			.select(ROW)
			.single(),
	"insert of several": (client) =>
		client
			.from("products")
			.insert(
				[
					{ serial_number: "client-4", title: "Nail", weight_lbs: 0.01 },
					{ serial_number: "client-5", title: "Screw", weight_lbs: 0.02 },
				],
				{ count: "exact" },
			)
			.select(ROW),
	"insert of what is there": (client) =>
		client
			.from("products")
			.insert({ serial_number: "client-1", title: "Anvil", weight_lbs: 1 }),
	"insert of a column that no caller may write": (client) =>
		client.from("products").insert({ serial_number: "client-4", id: 1 }),
	upsert: (client) =>
		client
			.from("products")
			.upsert(
				{ serial_number: "client-1", title: "Anvil II", weight_lbs: 120 },
				{ onConflict: "serial_number" },
			)
			.select(ROW),
	"upsert that ignores duplicates": (client) =>
		client
			.from("products")
			.upsert(
				[
					{ serial_number: "client-1", title: "Anvil II", weight_lbs: 120 },
					{ serial_number: "client-4", title: "Nail", weight_lbs: 0.01 },
				],
				{ onConflict: "serial_number", ignoreDuplicates: true },
			)
			.select(ROW),
	update: (client) =>
		client
			.from("products")
			.update({ title: "Hammer" }, { count: "exact" })
			.eq("serial_number", "client-1")
			.select(ROW),
	"update of nothing": (client) =>
		client
			.from("products")
			.update({ title: "Hammer" })
			.eq("serial_number", "none"),
	"update against a constraint": (client) =>
		client
			.from("products")
			.update({ quantity: -1 })
			.eq("serial_number", "client-1"),
	delete: (client) =>
		client
			.from("products")
			.delete({ count: "exact" })
			.eq("serial_number", "client-1")
			.select(ROW),
	"a function that writes": async (client) => {
		const { data } = await client
			.from("products")
			.select("id")
			.eq("serial_number", "client-1")
			.single();
		return client
			.rpc("add_quantity", { product_id: data?.id, quantity: -2 })
			.select(ROW)
			.single();
	},
	"a function that writes, by GET": (client) =>
		client.rpc("add_quantity", { product_id: 0, quantity: 1 }, { get: true }),
	"a function that is not there": (client) => client.rpc("nothing"),
	"a relation that is not there": (client) => client.from("nothing").select(),
	"a column that is not there": (client) =>
		client.from("products").select("nothing"),
	"an embed that is not there": (client) =>
		client.from("products").select("title,rescues(name)"),
};

type Library = (token: string | undefined) => Promise<Client>;

const LIBRARIES: Record<string, Library> = {
	"postgrest-js": async (token) =>
		new PostgrestClient(REST_URL, { headers: bearer(token) }),
	"supabase-js": (token) => connectSupabase(token),
};

describe.each(Object.entries(LIBRARIES))("%s", (_, connect) => {
	describe.each(["ada", "anonymous"] as const)("as %s", (caller) => {
		it.each(Object.entries(USES))(
			"is answered as by PostgREST itself: %s",
			async (_, use) => {
				const isAda = caller === "ada";
				const direct = new PostgrestClient(stack.openPostgrestUrl, {
					headers: bearer(isAda ? await originTokenOfAda() : undefined),
				});
				const client = await connect(isAda ? await callerToken() : undefined);
				await resetProducts();
				const answer = await use(direct);
				await resetProducts();
				expect(plain(await use(client))).toEqual(plain(answer));
			},
		);
	});

	it("ends a request whose signal is aborted", async () => {
		const client = await connect(undefined);
		const { error } = await products(client).abortSignal(AbortSignal.abort());
		expect(error?.message).toContain("AbortError");
	});

	it("shows a refusal of the gateway's own as an error", async () => {
		const client = await connect("not one token");
		expect(await products(client)).toMatchObject({
			status: 401,
			statusText: "Unauthorized",
			data: null,
			error: { code: "token_malformed" },
		});
	});
});

describe("a browser on a page of another origin", () => {
	const ORIGIN = "http://127.0.0.1:3000";

	it.each(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"])(
		"may send %s with all headers of supabase-js",
		async (method) => {
			const names = await headersOfSupabase();
			const answer = await sendRaw(stack.gatewayUrl, {
				method: "OPTIONS",
				path: PRODUCTS,
				headers: {
					origin: ORIGIN,
					"access-control-request-method": method,
					"access-control-request-headers": names.join(","),
				},
			});
			expect(answer.status).toBe(204);
			expect(fieldOf(answer, "access-control-allow-origin")).toBe("*");
			expect(listOf(answer, "access-control-allow-methods")).toContain(
				method.toLowerCase(),
			);
			expect(listOf(answer, "access-control-allow-headers")).toEqual(names);
		},
	);

	it.each([
		["an answer", PRODUCTS, 200],
		["an error of PostgREST's", `${PRODUCTS}?nothing=eq.1`, 400],
		["the gateway's own refusal", "/nowhere", 404],
	])("may read %s", async (_, path, status) => {
		const answer = await sendRaw(stack.gatewayUrl, {
			method: "GET",
			path,
			headers: { origin: ORIGIN },
		});
		expect(answer.status).toBe(status);
		expect(fieldOf(answer, "access-control-allow-origin")).toBe("*");
	});

	it("may read the refusal of its token", async () => {
		const answer = await sendRaw(stack.gatewayUrl, {
			method: "GET",
			path: PRODUCTS,
			headers: { origin: ORIGIN, ...bearer("not one token") },
		});
		expect(answer.status).toBe(401);
		expect(fieldOf(answer, "access-control-allow-origin")).toBe("*");
	});

	it.each([
		"content-encoding",
		"content-range",
		"content-location",
		"date",
		"location",
		"range-unit",
	])("may read the header %s, as at PostgREST", async (name) => {
		const answer = await sendRaw(stack.gatewayUrl, {
			method: "GET",
			path: PRODUCTS,
			headers: { origin: ORIGIN },
		});
		expect(listOf(answer, "access-control-expose-headers")).toContain(name);
	});

	it("may send no cookies", async () => {
		const answer = await sendRaw(stack.gatewayUrl, {
			method: "GET",
			path: PRODUCTS,
			headers: { origin: ORIGIN },
		});
		expect(fieldOf(answer, "access-control-allow-credentials")).toBe(undefined);
	});

	it("has an OPTIONS that is no preflight answered by PostgREST", async () => {
		const answer = await sendRaw(stack.gatewayUrl, {
			method: "OPTIONS",
			path: PRODUCTS,
			headers: { origin: ORIGIN },
		});
		expect(fieldOf(answer, "allow")).toContain("PATCH");
	});
});

/** As in an application: the key is a token of the role anon, and a session adds its access token. */
async function connectSupabase(
	token: string | undefined,
	fetch: typeof globalThis.fetch = globalThis.fetch,
) {
	const anonKey = await callerToken({ role: "anon" });
	return createClient(stack.gatewayUrl, anonKey, {
		db: { schema: "api" },
		global: { fetch },
		...(token === undefined
			? { auth: { persistSession: false, autoRefreshToken: false } }
			: { accessToken: async () => token }),
	});
}

/** The names of the headers that supabase-js sends, in lower case and in order, with those of a write. */
async function headersOfSupabase(): Promise<string[]> {
	let names: string[] = [];
	const client = await connectSupabase("token", async (_, init) => {
		names = [...new Headers(init?.headers).keys()];
		return new Response();
	});
	await client.from("products").upsert({}, { onConflict: "id" }).select();
	return names;
}

/** An answer with all fields of its error, of which only the message would be compared otherwise. */
function plain(answer: Answer): unknown {
	const { error } = answer;
	return { ...answer, error: error && { ...error, message: error.message } };
}

function bearer(token: string | undefined): Record<string, string> {
	return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

function originTokenOfAda(): Promise<string> {
	return originToken({ role: "authenticated", sub: "ada" });
}

function fieldOf(answer: RawAnswer, name: string): string | undefined {
	const field = answer.headers.find(([known]) => known.toLowerCase() === name);
	return field?.[1];
}

function listOf(answer: RawAnswer, name: string): string[] {
	const value = fieldOf(answer, name)?.toLowerCase() ?? "";
	return value.split(",").map((entry) => entry.trim());
}
