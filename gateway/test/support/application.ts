// The application whose routes the gateway's tests ask: notes that callers give stars to, and the caller's user.
import type { Application } from "../../src/application/application.ts";
import * as z from "../../src/application/zod.ts";
import {
	answer,
	body,
	callers,
	created,
	createRoute,
	createRouter,
	defineRefusals,
	fields,
	number,
	OF_BODIES,
	OF_CALLERS,
	OF_IDS,
	rowId,
	text,
} from "../../src/routes.ts";

export const ownRefusals = {
	stars_below_zero: {
		status: 409,
		message: "The stars would fall below zero; nothing was changed",
	},
} as const;

const { refusals } = defineRefusals(ownRefusals);

const note = z
	.object({ id: z.int(), title: z.string(), stars: z.int() })
	.register(z.globalRegistry, { id: "Note" });

type Note = z.infer<typeof note>;

const COLUMNS = "id,title,stars";

const newNote = fields({
	title: text(100),
	stars: number().check(z.minimum(0, "is below 0")),
	isPinned: z._default(z.boolean("has to be true or false"), false),
}).register(z.globalRegistry, { id: "NewNote" });

const byId = { params: z.object({ id: rowId() }) };

const notes = createRouter();

notes.openapi(
	createRoute({
		method: "post",
		path: "/",
		summary: "Creates a note",
		security: callers.writers,
		request: body(newNote),
		responses: {
			201: created(note),
			...refusals(...OF_BODIES, ...OF_CALLERS, "not_unique"),
		},
	}),
	async (context) => {
		const { data } = await context.var.database
			.from("notes")
			.insert(context.req.valid("json"))
			.select(COLUMNS)
			.single<Note>()
			.throwOnError();
		return context.json(data, 201, { Location: `/notes/${data.id}` });
	},
);

notes.openapi(
	createRoute({
		method: "get",
		path: "/",
		summary: "All notes",
		security: callers.anyone,
		responses: { 200: answer("The notes", z.array(note)), ...refusals() },
	}),
	async (context) => {
		const { data } = await context.var.database
			.from("notes")
			.select(COLUMNS)
			.overrideTypes<Note[], { merge: false }>()
			.throwOnError();
		return context.json(data, 200);
	},
);

notes.openapi(
	createRoute({
		method: "get",
		path: "/{id}",
		summary: "The note",
		security: callers.anyone,
		request: byId,
		responses: { 200: answer("The note", note), ...refusals(...OF_IDS) },
	}),
	async (context) => {
		const { data } = await context.var.database
			.from("notes")
			.select(COLUMNS)
			.eq("id", context.req.valid("param").id)
			.single<Note>()
			.throwOnError();
		return context.json(data, 200);
	},
);

notes.openapi(
	createRoute({
		method: "patch",
		path: "/{id}/add-stars",
		summary: "Adds to the stars; below 0 is refused",
		security: callers.writers,
		request: { ...byId, ...body(fields({ stars: number() })) },
		responses: {
			200: answer("The note as it is now", note),
			...refusals(...OF_IDS, ...OF_BODIES, ...OF_CALLERS, "stars_below_zero"),
		},
	}),
	async (context) => {
		const { id } = context.req.valid("param");
		const { data } = await context.var.database
			.rpc("add_stars", { note: Number(id), ...context.req.valid("json") })
			.select(COLUMNS)
			.single<Note>()
			.throwOnError();
		return context.json(data, 200);
	},
);

const me = createRouter();

me.openapi(
	createRoute({
		method: "get",
		path: "/",
		summary: "The caller's user",
		security: callers.users,
		responses: {
			200: answer("The user", z.object({ id: z.guid() })),
			...refusals(...OF_CALLERS, "session_not_found"),
		},
	}),
	async (context) => {
		const { id } = await context.var.accounts.getUser();
		return context.json({ id }, 200);
	},
);

export const application: Application = {
	routes: { "/notes": notes, "/me": me },
	refusals: ownRefusals,
	constraints: { stars_are_not_negative: "stars_below_zero" },
	openapi: {},
};
