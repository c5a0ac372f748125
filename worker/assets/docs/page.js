// Starts Swagger UI. A token that is entered stays in the page's memory: it is gone with the page.
/* global SwaggerUIBundle */
SwaggerUIBundle({
	domNode: document.getElementById("docs"),
	url: "/openapi.json",
	deepLinking: true,
	displayRequestDuration: true,
	// Else Swagger UI shows the document to a validator on the internet.
	validatorUrl: null,
});
