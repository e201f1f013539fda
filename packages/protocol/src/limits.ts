/** The longest `expiration`, in seconds: with it added to today the result is still a date that ECMAScript can hold. */
export const MAX_EXPIRATION_SECONDS = 8_600_000_000_000

/** How long appKey and appSecurity are at most. */
export const MAX_CREDENTIAL_LENGTH = 256

/** How many approvals and comments a document has at most. */
export const MAX_LOGS = 1000

/** How many documents `flowDetails/attachment` takes at once. */
export const MAX_LISTED_DOCUMENTS = 100
