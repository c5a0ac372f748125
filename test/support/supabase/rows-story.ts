// The story of an app's rows, told by an unmodified supabase-js: its users write and read under row level security, with keys of all
// kinds. The example and a Supabase project have the tables of this story.
import type { SupabaseClient } from "@supabase/supabase-js";
import { describe, expect, it } from "vitest";
import { causal } from "../../../gateway/client/index.ts";

export interface Actor {
	readonly client: SupabaseClient;
}

export interface UserActor extends Actor {
	readonly id: string;
}

export interface World {
	/** A user who has just signed up. With `fetcher`, the user's client sends by it. */
	user(fullname: string, fetcher?: typeof fetch): Promise<UserActor>;
	/** Has a publishable key. */
	anonymous(): Actor;
	/** Has a secret key, which the policies do not bind. */
	service(): Promise<Actor>;
	/** The schema of the tables. */
	readonly schema: string;
	/** What an anonymous caller gets who asks for the todos. */
	readonly todosOfNobody: object;
	/** What an anonymous caller gets who adds a product, updates and deletes one. */
	readonly changesOfNobody: readonly object[];
}

/** Sends as a client of the gateway does that wants its own writes at once, and remembers the last Cache-Status. */
function watched() {
	const send = causal(fetch);
	let cacheStatus = "";
	return {
		fetcher: async (...request: Parameters<typeof fetch>) => {
			const response = await send(...request);
			cacheStatus = response.headers.get("cache-status") ?? "";
			return response;
		},
		cacheStatus: () => cacheStatus,
	};
}

export function tellStoryOfRows(world: World): void {
	/** A user whose client is watched. */
	async function watchedUser(fullname: string) {
		const { fetcher, cacheStatus } = watched();
		return { ...(await world.user(fullname, fetcher)), cacheStatus };
	}

	describe("the user's own rows", () => {
		it("are inserted, read, updated and deleted by their user only", async () => {
			const ada = await world.user("Ada");
			const bob = await world.user("Bob");
			const made = await ada.client
				.from("todos")
				.insert(
					[{ name: "Buy milk" }, { name: "Call Bob", is_completed: true }],
					{ defaultToNull: false },
				)
				.select("id,name,is_completed,creator");
			expect(made.error).toBeNull();
			expect(made.data).toEqual([
				{
					id: expect.any(Number),
					name: "Buy milk",
					is_completed: false,
					creator: ada.id,
				},
				{
					id: expect.any(Number),
					name: "Call Bob",
					is_completed: true,
					creator: ada.id,
				},
			]);
			const id = made.data?.[0]?.id;

			const ofBob = bob.client.from("todos");
			expect((await ofBob.select()).data).toEqual([]);
			expect(
				(await ofBob.update({ name: "Mine" }).eq("id", id).select()).data,
			).toEqual([]);
			expect((await ofBob.delete().eq("id", id).select()).data).toEqual([]);
			const missing = await ofBob.select().eq("id", id).single();
			expect(missing.error?.code).toBe("PGRST116");

			const ofAda = ada.client.from("todos");
			const updated = await ofAda
				.update({ is_completed: true })
				.eq("id", id)
				.select("name,is_completed")
				.single();
			expect(updated.data).toEqual({ name: "Buy milk", is_completed: true });
			await ofAda.delete().eq("id", id);
			const left = await ofAda.select("name", { count: "exact" });
			expect(left).toMatchObject({ count: 1, data: [{ name: "Call Bob" }] });
		});

		it("cannot be given to another user or to none", async () => {
			const ada = await world.user("Ada");
			const bob = await world.user("Bob");
			const given = await ada.client
				.from("todos")
				.insert({ name: "For you", creator: bob.id });
			expect(given).toMatchObject({ status: 403, error: { code: "42501" } });
			const anonymous = await world.anonymous().client.from("todos").select();
			expect(anonymous).toMatchObject(world.todosOfNobody);
		});

		it("count in the number of followers", async () => {
			const ada = await world.user("Ada");
			const bob = await world.user("Bob");
			const carol = await world.user("Carol");
			for (const { client } of [bob, carol]) {
				const { error } = await client
					.from("follows")
					.insert({ followed: ada.id });
				expect(error).toBeNull();
			}
			// Repeating it changes nothing.
			const again = await bob.client
				.from("follows")
				.upsert(
					{ followed: ada.id },
					{ onConflict: "follower,followed", ignoreDuplicates: true },
				);
			expect(again.error).toBeNull();

			const famous = await carol.client
				.from("users")
				.select()
				.gte("followers", 2);
			expect(famous.data).toContainEqual({
				id: ada.id,
				fullname: "Ada",
				followers: 2,
			});
			expect(famous.data?.every(({ followers }) => followers >= 2)).toBe(true);

			// Only the follower can take a follow back.
			await ada.client.from("follows").delete().eq("followed", ada.id);
			await bob.client.from("follows").delete().eq("followed", ada.id);
			const { data } = await ada.client
				.from("users")
				.select("followers")
				.eq("id", ada.id)
				.single();
			expect(data).toEqual({ followers: 1 });
		});

		it("are joined by upsert and functions on the rows that all users share", async () => {
			const { client, id } = await world.user("Ada");
			const serial_number = `anvil-${id}`;
			const products = client.from("products");
			try {
				for (const title of ["Anvil", "Better anvil"]) {
					const { error } = await products.upsert(
						{ serial_number, title, weight_lbs: 100 },
						{ onConflict: "serial_number" },
					);
					expect(error).toBeNull();
				}
				const { data } = await products
					.select("id,title,quantity")
					.eq("serial_number", serial_number)
					.single();
				expect(data).toMatchObject({ title: "Better anvil", quantity: 0 });
				const added = await client
					.rpc("add_quantity", { product_id: data?.id, quantity: 5 })
					.select("quantity")
					.single();
				expect(added.data).toEqual({ quantity: 5 });
				const anonymous = await world
					.anonymous()
					.client.rpc("add_quantity", { product_id: data?.id, quantity: 5 });
				expect(anonymous.status).toBe(401);
			} finally {
				await products.delete().eq("serial_number", serial_number);
			}
		});

		it("are read and changed by a secret key, those of all users", async () => {
			const ada = await world.user("Ada");
			const bob = await world.user("Bob");
			for (const { client } of [ada, bob])
				await client.from("todos").insert({ name: "Buy milk" });
			const service = (await world.service()).client;
			const creators = [ada.id, bob.id];
			const all = () =>
				service.from("todos").select("creator").in("creator", creators);
			expect((await all()).data).toHaveLength(2);
			const done = await service
				.from("todos")
				.update({ is_completed: true })
				.in("creator", creators)
				.select("id");
			expect(done.data).toHaveLength(2);
			const given = await service
				.from("todos")
				.insert({ name: "From above", creator: bob.id });
			expect(given.error).toBeNull();
			expect((await bob.client.from("todos").select()).data).toHaveLength(2);
			const gone = await service.from("todos").delete().in("creator", creators);
			expect(gone.error).toBeNull();
		});

		it("are not changed by an anonymous caller", async () => {
			const { client } = world.anonymous();
			const products = client.from("products");
			const added = await products.insert({
				serial_number: "stolen",
				title: "Stolen",
				weight_lbs: 1,
			});
			const updated = await products
				.update({ title: "Stolen" })
				.gt("id", 0)
				.select("id");
			const deleted = await products.delete().gt("id", 0).select("id");
			expect([added, updated, deleted]).toMatchObject(world.changesOfNobody);
		});
	});

	describe("reads that are cached", () => {
		it("are hits for their user, and never another's rows", async () => {
			const ada = await watchedUser("Ada");
			const bob = await watchedUser("Bob");
			for (const { client, id } of [ada, bob])
				await client.from("todos").insert({ name: `Of ${id}` });
			for (const { client, id, cacheStatus } of [ada, bob, ada, bob]) {
				await expect
					.poll(async () => {
						const { data } = await client.from("todos").select("name");
						expect(data).toEqual([{ name: `Of ${id}` }]);
						return cacheStatus();
					})
					.toContain("; hit");
			}
			const { data } = await world.anonymous().client.from("todos").select();
			expect(data ?? []).toEqual([]);
		});

		it("show every kind of write at once to a client that says what it wrote", async () => {
			const { client, id, cacheStatus } = await watchedUser("Ada");
			const serial_number = `lamp-${id}`;
			const products = () => client.from("products");
			const read = () =>
				products()
					.select("id,title,quantity")
					.eq("serial_number", serial_number)
					.maybeSingle();
			const lamp = { serial_number, title: "Lamp", weight_lbs: 1 };
			const key = { onConflict: "serial_number" };
			const writes: readonly [() => PromiseLike<{ error: unknown }>, object][] =
				[
					[() => products().insert(lamp), { title: "Lamp", quantity: 0 }],
					[
						() => products().upsert({ ...lamp, title: "Lantern" }, key),
						{ title: "Lantern" },
					],
					[
						() =>
							products()
								.update({ title: "Torch" })
								.eq("serial_number", serial_number),
						{ title: "Torch" },
					],
					[
						async () => {
							const { data } = await read();
							const product_id = data?.id;
							return client.rpc("add_quantity", { product_id, quantity: 3 });
						},
						{ title: "Torch", quantity: 3 },
					],
				];
			for (const [write, after] of writes) {
				await untilHit();
				expect((await write()).error).toBeNull();
				expect((await read()).data).toMatchObject(after);
			}
			await untilHit();
			await products().delete().eq("serial_number", serial_number);
			expect((await read()).data).toBeNull();

			function untilHit() {
				return expect
					.poll(async () => {
						expect((await read()).error).toBeNull();
						return cacheStatus();
					})
					.toContain("; hit");
			}
		});
	});

	describe("the forms of a read", () => {
		it("are those of supabase-js: single, maybeSingle, count, range, order, abortSignal, schema", async () => {
			const { client } = await world.user("Ada");
			const todos = () => client.from("todos");
			await todos().insert([{ name: "a" }, { name: "b" }, { name: "c" }]);
			// The second time from the cache.
			for (let round = 0; round < 2; round += 1) {
				expect(
					await todos().select("name").eq("name", "b").single(),
				).toMatchObject({ status: 200, data: { name: "b" } });
				expect(
					await todos().select("name").gt("name", "a").single(),
				).toMatchObject({ status: 406, error: { code: "PGRST116" } });
				expect(
					await todos().select("name").eq("name", "d").maybeSingle(),
				).toMatchObject({ data: null, error: null });
				expect(
					await todos().select("name").eq("name", "c").maybeSingle(),
				).toMatchObject({ data: { name: "c" } });
				expect(
					await todos()
						.select("name", { count: "exact" })
						.order("name", { ascending: false })
						.range(0, 1),
				).toMatchObject({
					status: 206,
					count: 3,
					data: [{ name: "c" }, { name: "b" }],
				});
				expect(
					await todos().select("*", { count: "exact", head: true }),
				).toMatchObject({ count: 3, data: null });
				expect(
					await todos()
						.select("name")
						.order("name")
						.limit(1)
						.abortSignal(AbortSignal.timeout(60_000)),
				).toMatchObject({ data: [{ name: "a" }] });
				const aborted = await todos()
					.select("name")
					.abortSignal(AbortSignal.abort());
				expect(aborted.error?.message).toContain("Abort");
				expect(
					await client.schema(world.schema).from("todos").select("name"),
				).toMatchObject({ status: 200, data: { length: 3 } });
				expect(
					await client.schema("postern").from("todos").select("name"),
				).toMatchObject({ status: 406 });
			}
		});
	});
}
