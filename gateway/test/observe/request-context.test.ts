import { type Context, Hono } from "hono";
import { contextStorage } from "hono/context-storage";
import { expect, it } from "vitest";
import {
	contextOfRequest,
	keepContext,
	subjectsAfterAnswer,
} from "../../src/observe/request-context.ts";

const pathAtHand = () => contextOfRequest()?.req.path;
const subjectsOf = ({ req }: Context) => ({
	caller: req.path,
	address: undefined,
});

it("is there for every step of its own request, beside others", async () => {
	const app = new Hono();
	app.use(keepContext(subjectsOf));
	app.get("/:name", async (context) => {
		await scheduler.wait(Number(context.req.query("ms")));
		return context.text(String(pathAtHand()));
	});
	const answers = ["/a?ms=20", "/b?ms=10", "/c?ms=0"].map((path) =>
		app.request(path),
	);
	const texts = answers.map(async (answer) => (await answer).text());
	expect(await Promise.all(texts)).toEqual(["/a", "/b", "/c"]);
	expect(pathAtHand()).toBeUndefined();
});

it.each([
	["an answer", (text: string) => new Response(text)],
	[
		"an error",
		() => {
			throw new Error("broken");
		},
	],
])(
	"ends with %s, and leaves whom the work that goes on counts for",
	async (_, end) => {
		const { promise: answered, resolve: onAnswered } =
			Promise.withResolvers<void>();
		let afterwards: Promise<unknown> | undefined;
		const app = new Hono();
		app.onError((_, context) => context.text("broken", 500));
		app.use(keepContext(subjectsOf));
		app.get("/a", (context) => {
			expect(subjectsAfterAnswer()).toBeUndefined();
			afterwards = answered.then(() => [
				pathAtHand(),
				subjectsAfterAnswer()?.caller,
			]);
			return end(String(context.req.path));
		});
		await app.request("/a");
		onAnswered();
		expect(await afterwards).toEqual([undefined, "/a"]);
	},
);

it("is there also where an application stores the context itself", async () => {
	const app = new Hono();
	app.use(keepContext(subjectsOf));
	app.use(contextStorage());
	app.get("/a", (context) => context.text(String(pathAtHand())));
	expect(await (await app.request("/a")).text()).toBe("/a");
});
