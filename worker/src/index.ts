// This repository's Worker, an example: Postern with the routes of an application.
import { createPostern } from "postern";
import { constraints, ownRefusals } from "./refusals.ts";
import { products } from "./routes/products.ts";
import { rescues, sharedData } from "./routes/rescues.ts";
import { users } from "./routes/users.ts";

export { CallerLimits, ChangeFeed } from "postern";

export default createPostern({
	routes: {
		"/products": products,
		"/rescues": rescues,
		"/shared-data": sharedData,
		"/users": users,
	},
	refusals: ownRefusals,
	constraints,
	openapi: {
		tags: [
			{
				name: "Products",
				description: "An inventory: products and their quantities",
			},
			{ name: "Rescues", description: "Animal rescues" },
			{
				name: "Users",
				description:
					"Signing up and in, and a user's todos. `POST /users/token` answers the bearer token that the other routes ask for.",
			},
		],
	},
});
