// Animal rescues, and the one document about them that every caller shares.
import {
	answer,
	body,
	callers,
	created,
	createRoute,
	createRouter,
	fields,
	OF_BODIES,
	OF_CALLERS,
	OF_IDS,
	refusals,
	rowId,
	text,
	wholeNumber,
} from "postern/routes";
import * as z from "postern/zod";

const rescue = z
	.object({
		id: z.int(),
		name: z.string(),
		age: z.int().with(z.describe("Age in years")),
		species: z.string(),
	})
	.register(z.globalRegistry, { id: "Rescue" });

type Rescue = z.infer<typeof rescue>;

const COLUMNS = "id,name,age,species";

const MAX_ID = 999_999_999_999_999;

const shape = {
	name: text(100),
	age: wholeNumber(0, 150),
	species: text(100),
};

const rescueFields = fields(shape).register(z.globalRegistry, {
	id: "RescueFields",
	examples: [{ name: "Pepper", age: 4, species: "dog" }],
});

const newRescue = fields({
	id: z
		.optional(wholeNumber(1, MAX_ID))
		.with(z.describe("Chosen by the database where it is left out")),
	...shape,
}).register(z.globalRegistry, {
	id: "NewRescue",
	examples: [{ name: "Pepper", age: 4, species: "dog" }],
});

const counts = z
	.object({
		rescues: z.int().with(z.describe("How many rescues there are")),
		species: z.array(z.object({ species: z.string(), rescues: z.int() })),
	})
	.register(z.globalRegistry, { id: "SharedData" });

const byId = { params: z.object({ id: rowId() }) };

/** The routes below `/rescues`. */
export const rescues = createRouter();

rescues.openapi(
	createRoute({
		method: "post",
		path: "/",
		operationId: "createRescue",
		tags: ["Rescues"],
		security: callers.writers,
		summary: "Creates a rescue",
		request: body(newRescue),
		responses: {
			201: created(rescue),
			...refusals(...OF_BODIES, ...OF_CALLERS, "not_unique"),
		},
	}),
	async (context) => {
		const { data } = await context.var.database
			.from("rescues")
			.insert(context.req.valid("json"))
			.select(COLUMNS)
			.single<Rescue>()
			.throwOnError();
		return context.json(data, 201, { Location: `/rescues/${data.id}` });
	},
);

rescues.openapi(
	createRoute({
		method: "get",
		path: "/",
		operationId: "listRescues",
		tags: ["Rescues"],
		security: callers.anyone,
		summary: "All rescues, by name",
		responses: { 200: answer("The rescues", z.array(rescue)), ...refusals() },
	}),
	async (context) => {
		const { data } = await context.var.database
			.from("rescues")
			.select(COLUMNS)
			.order("name")
			.order("id")
			.overrideTypes<Rescue[], { merge: false }>()
			.throwOnError();
		return context.json(data, 200);
	},
);

rescues.openapi(
	createRoute({
		method: "get",
		path: "/{id}",
		operationId: "getRescue",
		tags: ["Rescues"],
		security: callers.anyone,
		summary: "The rescue",
		request: byId,
		responses: { 200: answer("The rescue", rescue), ...refusals(...OF_IDS) },
	}),
	async (context) => {
		const { id } = context.req.valid("param");
		const { data } = await context.var.database
			.from("rescues")
			.select(COLUMNS)
			.eq("id", id)
			.single<Rescue>()
			.throwOnError();
		return context.json(data, 200);
	},
);

rescues.openapi(
	createRoute({
		method: "put",
		path: "/{id}",
		operationId: "replaceRescue",
		tags: ["Rescues"],
		security: callers.writers,
		summary: "Replaces the rescue's fields",
		request: { ...byId, ...body(rescueFields) },
		responses: {
			200: answer("The rescue as it is now", rescue),
			...refusals(
				...OF_IDS,
				...OF_BODIES,
				...OF_CALLERS,
				"contended",
				"precondition_failed",
			),
		},
	}),
	async (context) => {
		const { id } = context.req.valid("param");
		const { data } = await context.var.database
			.from("rescues")
			.update(context.req.valid("json"))
			.eq("id", id)
			.select(COLUMNS)
			.single<Rescue>()
			.throwOnError();
		return context.json(data, 200);
	},
);

rescues.openapi(
	createRoute({
		method: "delete",
		path: "/{id}",
		operationId: "deleteRescue",
		tags: ["Rescues"],
		security: callers.writers,
		summary: "Deletes the rescue",
		request: byId,
		responses: {
			204: { description: "Deleted" },
			...refusals(...OF_IDS, ...OF_CALLERS, "contended", "precondition_failed"),
		},
	}),
	async (context) => {
		const { id } = context.req.valid("param");
		await context.var.database
			.from("rescues")
			.delete()
			.eq("id", id)
			.select("id")
			.single()
			.throwOnError();
		return context.body(null, 204);
	},
);

/** The route at `/shared-data`. */
export const sharedData = createRouter();
sharedData.openapi(
	createRoute({
		method: "get",
		path: "/",
		operationId: "getSharedData",
		tags: ["Rescues"],
		security: callers.anyone,
		summary:
			"How many rescues there are, by species: one document for every caller",
		responses: { 200: answer("The counts", counts), ...refusals() },
	}),
	async (context) => {
		const { data } = await context.var.database
			.from("rescue_counts")
			.select("species,rescues:count")
			.order("species")
			.overrideTypes<{ species: string; rescues: number }[], { merge: false }>()
			.throwOnError();
		const total = data.reduce((sum, { rescues }) => sum + rescues, 0);
		return context.json({ rescues: total, species: data }, 200);
	},
);
