// What only a browser shows: the page at /docs works as a person uses it, under its own policy and without any
// other host; and a page of another origin works with an unmodified supabase-js. Against `npm start`.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { SupabaseClient } from "@supabase/supabase-js";
import {
	type Browser,
	chromium,
	type Locator,
	type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import {
	type Service,
	startService,
	untilReady,
} from "../../gateway/cli/stack/service.ts";
import { CHROMIUM_FLAGS, chromiumPath } from "../support/chromium.ts";
import { type Clone, makeClone } from "../support/clone.ts";

const execute = promisify(execFile);

let clone: Clone;
let stack: Service;
let gateway: string;
let otherOrigin: Server;
let browser: Browser;
let page: Page;

beforeAll(async () => {
	clone = await makeClone();
	gateway = `http://localhost:${clone.environment.POSTERN_PORT}`;
	stack = await npmStart();
	otherOrigin = await servePages();
	browser = await chromium.launch({
		executablePath: chromiumPath(),
		args: CHROMIUM_FLAGS,
	});
});

afterAll(async () => {
	await browser?.close();
	otherOrigin?.close();
	await stack?.stop();
	await clone?.remove();
});

/** The requests of the page, and its errors. */
let requested: URL[] = [];
let complaints: string[] = [];

beforeEach(async () => {
	requested = [];
	complaints = [];
	page = await browser.newPage();
	page.on("request", (request) => requested.push(new URL(request.url())));
	page.on("console", (message) => {
		if (message.type() === "error") complaints.push(message.text());
	});
	page.on("pageerror", (error) => complaints.push(error.message));
});

afterEach(() => page.close());

it("shows every operation of the OpenAPI document", async () => {
	await openDocs();
	const shown = await page.locator(".opblock-summary").all();
	const operations = await Promise.all(
		shown.map(async (summary) => {
			const method = summary.locator(".opblock-summary-method");
			const path = summary.locator(".opblock-summary-path");
			return `${await method.textContent()} ${await path.getAttribute("data-path")}`;
		}),
	);
	expect(operations.sort()).toEqual(await describedOperations());
});

it("loads nothing from another host, and nothing that its policy forbids", async () => {
	await openDocs();
	await page.locator("#operations-Products-createProduct").click();
	await page.getByRole("button", { name: "Try it out" }).waitFor();
	const hosts = requested
		.filter(({ protocol }) => protocol !== "data:")
		.map(({ origin }) => origin);
	expect([new Set(hosts), complaints]).toEqual([new Set([gateway]), []]);
});

it("tries out a route that anyone may call", async () => {
	const [product] = await seededProducts();
	await openDocs();
	const operation = await tryOut("Products-getProduct");
	await operation.getByPlaceholder("productId").fill(String(product?.id));
	expect(await execution(operation)).toEqual({
		status: "200",
		body: expect.objectContaining({
			productId: product?.id,
			title: product?.title,
		}),
	});
});

it("tries out a route that needs a token, without and with it", async () => {
	await openDocs();
	const operation = await tryOut("Products-createProduct");
	const serialNumber = randomUUID();
	await operation
		.locator("textarea")
		.fill(JSON.stringify({ serialNumber, title: "Tower", weightLbs: 2_400 }));
	expect(await execution(operation)).toEqual({
		status: "401",
		body: expect.objectContaining({ code: "unauthenticated" }),
	});

	await authorise(await run("token", "--sub", "me"));
	const { status, body } = await execution(operation);
	expect([status, body]).toEqual(["201", { productId: expect.any(Number) }]);
	const created = await fetch(`${gateway}/products/${body.productId}`);
	expect(await created.json()).toMatchObject({ serialNumber, quantity: 0 });
});

it("cannot be shown in a frame", async () => {
	await page.goto(`${urlOf(otherOrigin)}/frame`);
	await expect.poll(() => complaints.join()).toContain("frame-ancestors");
	const framed = page.frames().map((frame) => frame.url());
	expect(framed).not.toContain(`${gateway}/docs`);
});

it("lets a page of another origin sign up, in and out, and read and write a table", async () => {
	const person = {
		email: `ada-${randomUUID()}@example.com`,
		password: "correct horse battery",
	};
	await page.goto(urlOf(otherOrigin));
	const signedUp = await page.evaluate(
		async (person) => (await app.auth.signUp(person)).data.user?.email,
		person,
	);
	expect(signedUp).toBe(person.email);
	await page.evaluate(() => app.auth.signOut());

	// supabase-js reads the code only if it may read a header of the answer.
	expect(await signIn({ ...person, password: "wrong horse" })).toEqual({
		code: "invalid_credentials",
		status: 400,
	});
	expect(await signIn(person)).toBeNull();
	const written = await page.evaluate(async () => {
		const row = { name: "Wash up", is_completed: true };
		return (await app.from("todos").insert(row).select()).data;
	});
	expect(written).toEqual([
		expect.objectContaining({ name: "Wash up", is_completed: true }),
	]);

	await page.reload();
	expect(await readTodos()).toEqual({ data: written, status: 200 });
	await page.evaluate(() => app.auth.signOut());
	expect(await readTodos()).toEqual({ data: null, status: 401 });
});

/** The client in the page of another origin: see servePages. */
declare const app: SupabaseClient;

function signIn(person: { email: string; password: string }) {
	return page.evaluate(async (person) => {
		const { error } = await app.auth.signInWithPassword(person);
		return error && { code: error.code, status: error.status };
	}, person);
}

function readTodos() {
	return page.evaluate(async () => {
		const { data, status } = await app.from("todos").select();
		return { data, status };
	});
}

async function openDocs(): Promise<void> {
	await page.goto(`${gateway}/docs`);
	await page.locator(".opblock").first().waitFor();
}

/** Opens an operation, ready to be executed. */
async function tryOut(id: string): Promise<Locator> {
	const operation = page.locator(`#operations-${id}`);
	await operation.locator(".opblock-summary-control").click();
	await operation.getByRole("button", { name: "Try it out" }).click();
	return operation;
}

/** Executes an operation and returns the answer that the page shows. */
async function execution(operation: Locator) {
	const clear = operation.getByRole("button", { name: "Clear" });
	if (await clear.isVisible()) await clear.click();
	await operation.getByRole("button", { name: "Execute" }).click();
	const answer = operation.locator(".live-responses-table .response");
	const status = answer.locator(".response-col_status");
	const body = answer.locator(".highlight-code code").first();
	return {
		status: (await status.textContent())?.slice(0, 3),
		body: JSON.parse((await body.textContent()) ?? ""),
	};
}

async function authorise(token: string): Promise<void> {
	await page.locator(".btn.authorize").click();
	const form = page.locator(".dialog-ux form", { hasText: "bearer (http" });
	await form.getByLabel("auth-bearer-value").fill(token);
	await form.getByRole("button", { name: "Apply credentials" }).click();
	await form.getByRole("button", { name: "Close" }).click();
}

async function describedOperations(): Promise<string[]> {
	const response = await fetch(`${gateway}/openapi.json`);
	const { paths } = (await response.json()) as {
		paths: Record<string, object>;
	};
	return Object.entries(paths)
		.flatMap(([path, methods]) =>
			Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
		)
		.sort();
}

async function seededProducts(): Promise<{ id: number; title: string }[]> {
	const query = "select=id,title&order=id&limit=1";
	const response = await fetch(`${gateway}/rest/v1/products?${query}`);
	return (await response.json()) as { id: number; title: string }[];
}

async function npmStart(): Promise<Service> {
	let output = "";
	const service = startService({
		command: "npm",
		args: ["start"],
		cwd: clone.directory,
		env: clone.environment,
		stopSignal: "SIGINT",
		log: (line) => {
			output += line;
		},
	});
	await untilReady("npm start", service, async () =>
		output.includes("Ctrl-C stops everything"),
	);
	return service;
}

/** The output of one of the project's scripts. */
async function run(script: string, ...args: string[]): Promise<string> {
	const { stdout } = await execute(
		"npm",
		["run", "--silent", script, "--", ...args],
		{ cwd: clone.directory, env: clone.environment },
	);
	return stdout.trim();
}

/** Another origin: a page with supabase-js in it, and one with /docs in a frame. */
async function servePages(): Promise<Server> {
	const packageFile = createRequire(import.meta.url).resolve(
		"@supabase/supabase-js/package.json",
	);
	const script = await readFile(
		join(dirname(packageFile), "dist", "umd", "supabase.js"),
	);
	const pages: Record<string, string | Buffer> = {
		"/": `<!doctype html><script src=/supabase.js></script>
			<script>const app = supabase.createClient("${gateway}", "${await run("key", "create", "page")}")</script>`,
		"/frame": `<!doctype html><iframe src=${gateway}/docs></iframe>`,
		"/supabase.js": script,
	};
	const server = createServer(({ url = "" }, response) => {
		const type = url.endsWith(".js") ? "text/javascript" : "text/html";
		response
			.writeHead(url in pages ? 200 : 404, { "content-type": type })
			.end(pages[url]);
	}).listen(0, LOOPBACK);
	await once(server, "listening");
	return server;
}

function urlOf(server: Server): string {
	const { port } = server.address() as AddressInfo;
	return `http://${LOOPBACK}:${port}`;
}
