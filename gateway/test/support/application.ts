// The application whose routes the gateway's tests ask: this repository's example.
import { constraints, ownRefusals } from "../../../worker/src/refusals.ts";
import { products } from "../../../worker/src/routes/products.ts";
import { rescues, sharedData } from "../../../worker/src/routes/rescues.ts";
import { users } from "../../../worker/src/routes/users.ts";
import type { Application } from "../../src/http/application.ts";

export const application: Application = {
	routes: {
		"/products": products,
		"/rescues": rescues,
		"/shared-data": sharedData,
		"/users": users,
	},
	refusals: ownRefusals,
	constraints,
	openapi: {},
};
