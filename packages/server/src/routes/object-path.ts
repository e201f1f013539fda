/** What every URL that is no control-plane path is rewritten to; the raw one stays in `originalUrl`. */
export const OBJECT_PATH = '/object'
