// The example's routes, by the path that they are mounted at.
import type { Routes } from "../../../gateway/src/gateway.ts";
import { Refusal } from "../../../gateway/src/http/refusals.ts";
import { createRouter } from "../../../gateway/src/http/router.ts";
import { products } from "./products.ts";
import { rescues, shared } from "./rescues.ts";
import { users } from "./users.ts";

export const routes: Routes = (authentication) => ({
	"/products": products(),
	"/rescues": rescues(),
	"/shared-data": shared(),
	"/users": authentication ? users(authentication) : withoutIssuing(),
});

function withoutIssuing() {
	const router = createRouter();
	router.all("/*", () => {
		throw new Refusal("issuing_off");
	});
	return router;
}
