// Inventory: products and their quantities. The database does the arithmetic and the refusing, in one statement.
import {
	answer,
	body,
	callers,
	created,
	createRoute,
	createRouter,
	fields,
	number,
	OF_BODIES,
	OF_CALLERS,
	OF_IDS,
	rowId,
	text,
	timestamp,
	wholeNumber,
} from "postern/routes";
import * as z from "postern/zod";
import { refusals } from "../refusals.ts";

const product = z
	.object({
		productId: z.int(),
		serialNumber: z.string(),
		title: z.string(),
		weightLbs: z.number().with(z.describe("Weight in pounds (lb)")),
		quantity: z.int(),
		createdAt: timestamp(),
		updatedAt: timestamp(),
	})
	.register(z.globalRegistry, { id: "Product" });

type Product = z.infer<typeof product>;

const COLUMNS =
	"productId:id,serialNumber:serial_number,title,weightLbs:weight_lbs,quantity,createdAt:created_at,updatedAt:updated_at";

const newProduct = fields({
	serialNumber: text(100),
	title: text(200),
	weightLbs: number().check(z.positive("has to be above 0")),
}).register(z.globalRegistry, {
	id: "NewProduct",
	examples: [
		{ serialNumber: "H56N", title: "Bluetooth Headphones", weightLbs: 0.5 },
	],
});

const INT32_MAX = 2_147_483_647;

const quantityChange = fields({
	quantity: wholeNumber(-INT32_MAX, INT32_MAX).with(
		z.describe("Added to the quantity; negative to take away"),
	),
}).register(z.globalRegistry, {
	id: "QuantityChange",
	examples: [{ quantity: 5 }],
});

const byId = { params: z.object({ productId: rowId() }) };

/** The routes below `/products`. */
export const products = createRouter();

products.openapi(
	createRoute({
		method: "post",
		path: "/",
		operationId: "createProduct",
		tags: ["Products"],
		security: callers.writers,
		summary: "Creates a product with a quantity of 0",
		request: body(newProduct),
		responses: {
			201: created(z.pick(product, { productId: true })),
			...refusals(...OF_BODIES, ...OF_CALLERS, "not_unique"),
		},
	}),
	async (context) => {
		const { serialNumber, title, weightLbs } = context.req.valid("json");
		const { data } = await context.var.database
			.from("products")
			.insert({ serial_number: serialNumber, title, weight_lbs: weightLbs })
			.select("productId:id")
			.single<Pick<Product, "productId">>()
			.throwOnError();
		return context.json(data, 201, {
			Location: `/products/${data.productId}`,
		});
	},
);

products.openapi(
	createRoute({
		method: "get",
		path: "/{productId}",
		operationId: "getProduct",
		tags: ["Products"],
		security: callers.anyone,
		summary: "The product",
		request: byId,
		responses: {
			200: answer("The product", product),
			...refusals(...OF_IDS),
		},
	}),
	async (context) => {
		const { productId } = context.req.valid("param");
		const { data } = await context.var.database
			.from("products")
			.select(COLUMNS)
			.eq("id", productId)
			.single<Product>()
			.throwOnError();
		return context.json(data, 200);
	},
);

products.openapi(
	createRoute({
		method: "delete",
		path: "/{productId}",
		operationId: "deleteProduct",
		tags: ["Products"],
		security: callers.writers,
		summary: "Deletes the product",
		request: byId,
		responses: {
			200: answer("The product as it was", product),
			...refusals(...OF_IDS, ...OF_CALLERS, "contended", "precondition_failed"),
		},
	}),
	async (context) => {
		const { productId } = context.req.valid("param");
		const { data } = await context.var.database
			.from("products")
			.delete()
			.eq("id", productId)
			.select(COLUMNS)
			.single<Product>()
			.throwOnError();
		return context.json(data, 200);
	},
);

products.openapi(
	createRoute({
		method: "patch",
		path: "/{productId}/add-quantity",
		operationId: "addQuantity",
		tags: ["Products"],
		security: callers.writers,
		summary: "Adds to the quantity in one transaction; below 0 is refused",
		request: { ...byId, ...body(quantityChange) },
		responses: {
			200: answer("The product as it is now", product),
			...refusals(
				...OF_IDS,
				...OF_BODIES,
				...OF_CALLERS,
				"quantity_below_zero",
				"contended",
			),
		},
	}),
	async (context) => {
		const { productId } = context.req.valid("param");
		const { quantity } = context.req.valid("json");
		const { data } = await context.var.database
			.rpc("add_quantity", { product_id: Number(productId), quantity })
			.select(COLUMNS)
			.single<Product>()
			.throwOnError();
		return context.json(data, 200);
	},
);
