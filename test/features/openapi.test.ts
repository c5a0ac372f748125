// /openapi.json is valid OpenAPI, and true: the routes answer as it describes, and ask for credentials where it says so.
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, it } from "vitest";
import { z } from "zod";
import { call, callerToken } from "../support/client.ts";
import { newPerson, newUser } from "../support/people.ts";

type Schema = z.core.JSONSchema.JSONSchema & { examples?: unknown[] };

interface Content {
	content?: { "application/json": { schema: Schema } };
}

interface Operation {
	security: Record<string, string[]>[];
	parameters?: { name: string; schema: Schema }[];
	requestBody?: Content;
	responses: Record<string, Content>;
}

const served = await (await call("/openapi.json")).json();
const validator = new Validator();
const validation = await validator.validate(served as Record<string, unknown>);
const { paths } = validator.resolveRefs() as unknown as {
	paths: Record<string, Record<string, Operation>>;
};

/** The operations by method and path, such as `GET /rescues/{id}`. */
const operations = new Map<string, Operation>(
	Object.entries(paths).flatMap(([path, methods]) =>
		Object.entries(methods).map(
			([method, operation]) =>
				[`${method.toUpperCase()} ${path}`, operation] as const,
		),
	),
);

interface Call {
	/** The value of the parameter in the path. */
	id?: unknown;
	token?: string;
	json?: unknown;
}

/** Calls the operation, checks that its answer is described and has this status, and returns the body. */
async function expectAnswer(
	status: number,
	name: string,
	{ id, ...options }: Call = {},
): Promise<Record<string, unknown>> {
	const response = await send(name, String(id), options);
	const text = await response.text();
	expect([name, response.status]).toEqual([name, status]);
	const described = operations.get(name)?.responses[status];
	expect([name, status, described]).toEqual([name, status, expect.anything()]);
	const schema = described?.content?.["application/json"].schema;
	if (schema === undefined) {
		expect([name, text]).toEqual([name, ""]);
		return {};
	}
	const parsed = z.fromJSONSchema(closed(schema)).safeParse(JSON.parse(text));
	expect([name, status, parsed.error?.issues]).toEqual([
		name,
		status,
		undefined,
	]);
	return parsed.data as Record<string, unknown>;
}

function send(
	name: string,
	id: string,
	options: Omit<Call, "id">,
): Promise<Response> {
	const [method = "", path = ""] = name.split(" ");
	return call(path.replace(/\{\w+\}/, id), { method, ...options });
}

/** The schema, which allows no other properties in any object. */
function closed(schema: Schema): Schema {
	return JSON.parse(JSON.stringify(schema), (_, value) =>
		value?.type === "object"
			? { ...value, additionalProperties: false }
			: value,
	);
}

it("is a valid document of OpenAPI 3.1", () => {
	expect([validation, validator.version]).toEqual([{ valid: true }, "3.1"]);
});

it("describes the answer of every route to a caller who may call it", async () => {
	const called = new Set<string>();
	const expectSuccess: typeof expectAnswer = (status, name, options) => {
		called.add(name);
		return expectAnswer(status, name, options);
	};

	const { email, password, fullname } = newPerson();
	await expectSuccess(201, "POST /users/create", {
		json: { email, password, fullname },
	});
	const { token } = (await expectSuccess(200, "POST /users/token", {
		json: { email, password },
	})) as { token: string };
	const todo = { name: "Write it down", is_completed: false };
	const { id } = await expectSuccess(201, "POST /users/todos", {
		token,
		json: todo,
	});
	await expectSuccess(200, "GET /users/todos", { token });
	await expectSuccess(200, "GET /users/todos/{id}", { token, id });
	await expectSuccess(200, "PUT /users/todos/{id}", { token, id, json: todo });
	await expectSuccess(200, "DELETE /users/todos/{id}", { token, id });

	const product = {
		serialNumber: email.slice(0, 100),
		title: "A",
		weightLbs: 1,
	};
	const { productId } = await expectSuccess(201, "POST /products", {
		token,
		json: product,
	});
	const ofProduct = { token, id: productId };
	await expectSuccess(200, "GET /products/{productId}", ofProduct);
	await expectSuccess(200, "PATCH /products/{productId}/add-quantity", {
		...ofProduct,
		json: { quantity: 1 },
	});
	await expectSuccess(200, "DELETE /products/{productId}", ofProduct);

	const rescue = { name: "Pepper", age: 4, species: "dog" };
	const created = await expectSuccess(201, "POST /rescues", {
		token,
		json: rescue,
	});
	const ofRescue = { token, id: created.id };
	await expectSuccess(200, "GET /rescues");
	await expectSuccess(200, "GET /shared-data");
	await expectSuccess(200, "GET /rescues/{id}", ofRescue);
	await expectSuccess(200, "PUT /rescues/{id}", { ...ofRescue, json: rescue });
	await expectSuccess(204, "DELETE /rescues/{id}", ofRescue);

	expect([...called].sort()).toEqual([...operations.keys()].sort());
});

it("describes the refusals of the routes", async () => {
	const token = await callerToken();
	const { email, password, fullname } = await newUser();
	const refused: [number, string, Call][] = [
		[400, "GET /products/{productId}", { id: "first" }],
		[401, "GET /rescues", { token: "abc.def.ghi" }],
		[403, "GET /rescues", { token: await callerToken({ role: "postern" }) }],
		[404, "DELETE /products/{productId}", { token, id: 999_999_999 }],
		[400, "POST /products", { token, json: { title: 1 } }],
		[415, "POST /products", { token }],
		[413, "POST /rescues", { token, json: "x".repeat(70_000) }],
		[400, "POST /users/token", { json: { email, password: "wrong one" } }],
		[409, "POST /users/create", { json: { email, password, fullname } }],
		[
			422,
			"POST /users/create",
			{ json: { ...newPersonFields(), password: "short" } },
		],
	];
	for (const [status, name, options] of refused) {
		await expectAnswer(status, name, options);
	}
});

function newPersonFields() {
	const { email, fullname } = newPerson();
	return { email, fullname };
}

/** The protected routes, without sign-up and sign-in, which take no credentials and are throttled. */
const callable = [...operations].filter(
	([, { security }]) => security.length > 0,
);

it.each(callable)(
	"says whether credentials are needed: %s",
	async (name, { security, parameters, requestBody }) => {
		const isUuid = parameters?.[0]?.schema.format === "uuid";
		const id = isUuid ? crypto.randomUUID() : "999999999";
		const body = requestBody?.content?.["application/json"].schema;
		// An invalid example would be answered with 400.
		const json = body?.examples?.[0];
		const { status } = await send(name, id, { json });
		const isNeeded = !security.some((need) => Object.keys(need).length === 0);
		expect(isNeeded ? [401] : [200, 404]).toContain(status);
	},
);
