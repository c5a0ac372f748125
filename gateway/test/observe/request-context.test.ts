import { Hono } from "hono";
import { expect, it } from "vitest";
import {
	contextOfRequest,
	keepContext,
} from "../../src/observe/request-context.ts";

const pathAtHand = () => contextOfRequest()?.req.path;

it("is there for every step of its own request, beside others", async () => {
	const app = new Hono();
	app.use(keepContext);
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
	"ends with %s, so that work that goes on does not hold the request",
	async (_, end) => {
		const { promise: answered, resolve: onAnswered } =
			Promise.withResolvers<void>();
		let afterwards: Promise<string | undefined> | undefined;
		const app = new Hono();
		app.onError((_, context) => context.text("broken", 500));
		app.use(keepContext);
		app.get("/a", (context) => {
			afterwards = answered.then(pathAtHand);
			return end(String(context.req.path));
		});
		await app.request("/a");
		onAnswered();
		expect(await afterwards).toBeUndefined();
	},
);
