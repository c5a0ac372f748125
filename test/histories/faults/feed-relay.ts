// Lets several workerd processes share one ChangeFeed object, as isolates in production do: the object lives in a
// process of its own with FRONT before it; the others have RELAY in its place. Both are Workers, given as text.

/** In the object's process: its methods over HTTP, and those of relays, which are objects of the same class with other names. */
export const FRONT = `
const METHODS = { sync: (feed, request) => feed.sync(request), catalog: (feed) => feed.catalog() };

export default {
	async fetch(request, env) {
		const { pathname, searchParams } = new URL(request.url);
		const method = METHODS[pathname.slice(1)];
		try {
			const feed = env.CHANGE_FEED.getByName(searchParams.get("name"));
			return Response.json({ answer: await method(feed, await request.json()) });
		} catch (error) {
			return Response.json({ message: String(error) }, { status: 500 });
		}
	},
};
`;

/** In the other processes: an object with the same methods, and no memory. */
export const RELAY = `
import { DurableObject } from "cloudflare:workers";

export class ChangeFeed extends DurableObject {
	sync(request) {
		return this.call("sync", request);
	}

	catalog() {
		return this.call("catalog", {});
	}

	async call(method, request) {
		const response = await this.env.OBJECT.fetch("http://object/" + method + "?name=" + encodeURIComponent(this.ctx.id.name), { method: "POST", body: JSON.stringify(request) });
		const { answer, message } = await response.json();
		if (message !== undefined) throw new Error(message);
		return answer;
	}
}

// Each process limits its callers by itself: no history sets a limit that asks it.
export class CallerLimits extends DurableObject {}

export default {};
`;
