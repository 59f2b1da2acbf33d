/* "Refresh Tokens" in UX1, for the provider. */
define(["app/lib/ux1", "app/lib/tenants"], function (ux1, tenants) {
    "use strict";
    return ux1(tenants, "azp-tenants-message");
});
