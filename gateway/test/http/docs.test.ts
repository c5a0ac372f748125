// The page at /docs: which files it is given, to whom, and under which policy.
import { describe, expect, it } from "vitest";
import {
	type RequestOptions,
	refusal,
	startGateway,
} from "../support/gateway.ts";

const FILES: Record<string, string> = {
	"/docs/index.html": "<!doctype html>",
	"/docs/swagger-ui/swagger-ui.css": "body {}",
	"/products": "not an API",
	"/index.html": "not an API",
};

const ETAG = '"1"';

/** A gateway that has FILES, and what it asked them for. */
function startWithAssets() {
	const asked: string[] = [];
	const gateway = startGateway({
		async assets({ url, headers }) {
			const { pathname } = new URL(url);
			asked.push(pathname);
			const file = FILES[pathname];
			if (file === undefined) return new Response(null, { status: 404 });
			return headers.get("if-none-match") === ETAG
				? new Response(null, { status: 304, headers: { ETag: ETAG } })
				: new Response(file, { headers: { ETag: ETAG } });
		},
	});
	return { ...gateway, asked };
}

function ask(path: string, options?: RequestOptions): Promise<Response> {
	return startWithAssets().request(path, options);
}

describe("/docs", () => {
	it.each(["/docs", "/docs/"])("is the page: %s", async (path) => {
		const response = await ask(path);
		expect([response.status, await response.text()]).toEqual([
			200,
			"<!doctype html>",
		]);
	});

	it("has files below it", async () => {
		const response = await ask("/docs/swagger-ui/swagger-ui.css");
		expect([response.status, await response.text()]).toEqual([200, "body {}"]);
	});

	it("asks nothing of the origin, whatever token comes with it", async () => {
		const { request, origin } = startWithAssets();
		const { status } = await request("/docs", { token: "abc.def.ghi" });
		expect([status, origin.received]).toEqual([200, []]);
	});

	it("is not sent again to who has it", async () => {
		const { status } = await ask("/docs", {
			headers: { "If-None-Match": ETAG },
		});
		expect(status).toBe(304);
	});

	it.each(["/docs", "/docs/swagger-ui/swagger-ui.css"])(
		"runs nothing of another host's, nor inline, and is in nobody's frame: %s",
		async (path) => {
			const { headers } = await ask(path);
			expect(headers.get("x-content-type-options")).toBe("nosniff");
			expect(headers.get("content-security-policy")?.split("; ")).toEqual([
				"default-src 'none'",
				"script-src 'self'",
				"style-src 'self'",
				"img-src 'self' data:",
				"connect-src 'self'",
				"base-uri 'none'",
				"form-action 'none'",
				"frame-ancestors 'none'",
			]);
		},
	);

	it.each(["/docs/nothing.js", "/docs/swagger-ui", "/docs/..%2fproducts"])(
		"has no such file: %s",
		async (path) => {
			expect(await refusal(await ask(path))).toEqual({
				status: 404,
				code: "route_unknown",
			});
		},
	);

	it("takes no other method", async () => {
		expect(await refusal(await ask("/docs", { method: "POST" }))).toEqual({
			status: 405,
			code: "method_not_allowed",
		});
	});

	it("is not there where the runtime has no assets", async () => {
		expect(await refusal(await startGateway().request("/docs"))).toEqual({
			status: 404,
			code: "route_unknown",
		});
	});
});

describe("an asset that is called like a route", () => {
	it.each(["/products", "/index.html", "/rest/v1/products"])(
		"is never asked for: %s",
		async (path) => {
			const { request, asked } = startWithAssets();
			await request(path);
			expect(asked).toEqual([]);
		},
	);
});
