// Users and their todos. The database decides which caller sees a todo: another user's is not found.
import {
	answer,
	body,
	callers,
	created,
	createRoute,
	createRouter,
	emailAddress,
	fields,
	OF_BODIES,
	OF_CALLERS,
	OF_IDS,
	refusals,
	rowId,
	text,
} from "postern/routes";
import * as z from "postern/zod";

const user = z
	.object({ id: z.guid(), email: z.string(), fullname: z.string() })
	.register(z.globalRegistry, { id: "User" });

const todo = z
	.object({
		id: z.int(),
		name: z.string(),
		is_completed: z.boolean(),
		creator: user,
	})
	.register(z.globalRegistry, { id: "Todo" });

const userWithTodos = z
	.extend(user, { todos: z.array(todo) })
	.register(z.globalRegistry, { id: "UserWithTodos" });

type TodoRow = Omit<z.infer<typeof todo>, "creator">;

const COLUMNS = "id,name,is_completed";

const newUser = fields({
	email: emailAddress(),
	fullname: text(300),
	password: text(300).with(
		z.meta({
			format: "password",
			description: "6 characters or more, and 72 bytes of UTF-8 or fewer",
		}),
	),
}).register(z.globalRegistry, {
	id: "NewUser",
	examples: [
		{
			email: "ada@example.com",
			fullname: "Ada Lovelace",
			password: "correct horse",
		},
	],
});

const credentials = fields({
	email: text(300),
	password: text(300).with(z.meta({ format: "password" })),
}).register(z.globalRegistry, {
	id: "Credentials",
	examples: [{ email: "ada@example.com", password: "correct horse" }],
});

const todoFields = fields({
	name: text(300),
	is_completed: z._default(z.boolean("has to be true or false"), false),
}).register(z.globalRegistry, {
	id: "TodoFields",
	examples: [{ name: "Write the first program", is_completed: false }],
});

const byId = { params: z.object({ id: rowId() }) };

/** The routes below `/users`. */
export const users = createRouter();

users.openapi(
	createRoute({
		method: "post",
		path: "/create",
		operationId: "createUser",
		tags: ["Users"],
		security: callers.newcomers,
		summary: "Creates a user",
		request: body(newUser),
		responses: {
			201: created(userWithTodos),
			...refusals(
				...OF_BODIES,
				"user_already_exists",
				"weak_password",
				"over_request_rate_limit",
			),
		},
	}),
	async (context) => {
		const { email, fullname, password } = context.req.valid("json");
		const { user } = await context.var.accounts.signUp({
			email,
			fullname,
			password,
			userMetadata: { fullname },
		});
		// Once signed in, a user is found at this location.
		return context.json({ ...shown(user), todos: [] }, 201, {
			Location: "/users/todos",
		});
	},
);

users.openapi(
	createRoute({
		method: "post",
		path: "/token",
		operationId: "createToken",
		tags: ["Users"],
		security: callers.newcomers,
		summary: "Signs in: a bearer token for the other routes",
		request: body(credentials),
		responses: {
			200: answer("Signed in", z.object({ token: z.string() })),
			...refusals(
				...OF_BODIES,
				"invalid_credentials",
				"over_request_rate_limit",
			),
		},
	}),
	async (context) => {
		const { accessToken } = await context.var.accounts.signIn(
			context.req.valid("json"),
		);
		return context.json({ token: accessToken.token }, 200, {
			"Cache-Control": "no-store",
		});
	},
);

users.openapi(
	createRoute({
		method: "post",
		path: "/todos",
		operationId: "createTodo",
		tags: ["Users"],
		security: callers.users,
		summary: "Creates a todo of the caller's",
		request: body(todoFields),
		responses: {
			201: created(todo),
			...refusals(...OF_BODIES, ...OF_CALLERS, "session_not_found"),
		},
	}),
	async (context) => {
		const creator = shown(await context.var.accounts.getUser());
		const { data } = await context.var.database
			.from("todos")
			.insert(context.req.valid("json"))
			.select(COLUMNS)
			.single<TodoRow>()
			.throwOnError();
		return context.json({ ...data, creator }, 201, {
			Location: `/users/todos/${data.id}`,
		});
	},
);

users.openapi(
	createRoute({
		method: "get",
		path: "/todos",
		operationId: "listTodos",
		tags: ["Users"],
		security: callers.users,
		summary: "The caller, with all of the caller's todos",
		responses: {
			200: answer("The user", userWithTodos),
			...refusals(...OF_CALLERS, "session_not_found"),
		},
	}),
	async (context) => {
		const creator = shown(await context.var.accounts.getUser());
		const { data } = await context.var.database
			.from("todos")
			.select(COLUMNS)
			.eq("creator", creator.id)
			.order("id")
			.overrideTypes<TodoRow[], { merge: false }>()
			.throwOnError();
		const todos = data.map((row) => ({ ...row, creator }));
		return context.json({ ...creator, todos }, 200);
	},
);

users.openapi(
	createRoute({
		method: "get",
		path: "/todos/{id}",
		operationId: "getTodo",
		tags: ["Users"],
		security: callers.users,
		summary: "The todo",
		request: byId,
		responses: {
			200: answer("The todo", todo),
			...refusals(...OF_IDS, ...OF_CALLERS, "session_not_found"),
		},
	}),
	async (context) => {
		const { id } = context.req.valid("param");
		const creator = shown(await context.var.accounts.getUser());
		const { data } = await context.var.database
			.from("todos")
			.select(COLUMNS)
			.eq("id", id)
			.single<TodoRow>()
			.throwOnError();
		return context.json({ ...data, creator }, 200);
	},
);

users.openapi(
	createRoute({
		method: "put",
		path: "/todos/{id}",
		operationId: "replaceTodo",
		tags: ["Users"],
		security: callers.users,
		summary: "Replaces the todo's fields",
		request: { ...byId, ...body(todoFields) },
		responses: {
			200: answer("The todo as it is now", todo),
			...refusals(
				...OF_IDS,
				...OF_BODIES,
				...OF_CALLERS,
				"session_not_found",
				"contended",
				"precondition_failed",
			),
		},
	}),
	async (context) => {
		const { id } = context.req.valid("param");
		const creator = shown(await context.var.accounts.getUser());
		const { data } = await context.var.database
			.from("todos")
			.update(context.req.valid("json"))
			.eq("id", id)
			.select(COLUMNS)
			.single<TodoRow>()
			.throwOnError();
		return context.json({ ...data, creator }, 200);
	},
);

users.openapi(
	createRoute({
		method: "delete",
		path: "/todos/{id}",
		operationId: "deleteTodo",
		tags: ["Users"],
		security: callers.users,
		summary: "Deletes the todo",
		request: byId,
		responses: {
			200: answer("Deleted", z.object({ message: z.string() })),
			...refusals(...OF_IDS, ...OF_CALLERS, "contended", "precondition_failed"),
		},
	}),
	async (context) => {
		const { id } = context.req.valid("param");
		await context.var.database
			.from("todos")
			.delete()
			.eq("id", id)
			.select("id")
			.single()
			.throwOnError();
		return context.json({ message: "The todo was deleted" }, 200);
	},
);

/** What the routes show of an account. */
function shown({ id, email, fullname }: z.infer<typeof user>) {
	return { id, email, fullname };
}
