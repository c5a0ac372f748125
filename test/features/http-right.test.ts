// HTTP that clients rarely send, where an answer was wrong once: found by `npm run test:fuzz`.
import { expect, it } from "vitest";
import { stack } from "../support/client.ts";
import { sendRaw } from "../support/raw-http.ts";

it.each(["HEAD", "GET"])(
	"answers an anonymous %s that has a body as one without",
	async (method) => {
		const path = "/rest/v1/todos";
		const withBody = { method, path, body: "{}" };
		const { status } = await sendRaw(stack.gatewayUrl, withBody);
		expect(status).toBe(401);
	},
);

it.each(["HEAD", "GET"])(
	"answers a %s with a body in chunks",
	async (method) => {
		const { status } = await sendRaw(stack.gatewayUrl, {
			method,
			path: "/rest/v1/products",
			headers: { "content-type": "application/json" },
			body: "{}",
			isChunked: true,
		});
		expect(status).toBe(200);
	},
);

it.each([
	["GET", "accept"],
	["HEAD", "accept"],
	["POST", "content-type"],
	["PUT", "content-type"],
])(
	"refuses a %s whose %s is not ASCII, which would break PostgREST's connection off",
	async (method, name) => {
		const { status } = await sendRaw(stack.gatewayUrl, {
			method,
			path: "/rest/v1/rescues?id=eq.1",
			headers: { [name]: "appl\u00ddcation/json" },
			...(name === "accept" ? {} : { body: "{}" }),
		});
		expect(status).toBe(400);
	},
);

it.each(["/rest/v1/products", "/health", "/nowhere"])(
	"lets a page read the answer to OPTIONS %s",
	async (path) => {
		const request = { method: "OPTIONS", path };
		const { headers } = await sendRaw(stack.gatewayUrl, request);
		expect(
			headers.map(([name, value]) => [name.toLowerCase(), value]),
		).toContainEqual(["access-control-allow-origin", "*"]);
	},
);

it("names the methods of a relation to a method that PostgREST does not know", async () => {
	const request = { method: "PROPFIND", path: "/rest/v1/products" };
	const { status, headers } = await sendRaw(stack.gatewayUrl, request);
	const allow = headers.find(([name]) => name.toLowerCase() === "allow");
	expect([status, allow?.[1]]).toEqual([
		405,
		"OPTIONS, GET, HEAD, POST, PUT, PATCH, DELETE",
	]);
});
