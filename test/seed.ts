/** The document that the product exists for, as far as a caller copies from it. */

/** Under 「CURL」, to the letter. */
export const SEED_CURL = `curl --location --request POST 'https://app.ekuaibao.com/api/openapi/v2/attachment/downloadurls?accessToken=UvsbtOEHTsk000' \\
--header 'Content-Type: application/json' \\
--data-raw '[
    {
        "id": "61sbwX3DEAgk00",
        "key": "openapi0306c2d1-7a5b-4e96-8172-60c5ee0f971e-kotlin简介.docx",
        "expiration": 1000
    }
]'`

export const SEED_HOST = 'https://app.ekuaibao.com'
export const SEED_TOKEN = 'UvsbtOEHTsk000'
export const SEED_ID = '61sbwX3DEAgk00'
export const SEED_KEY = 'openapi0306c2d1-7a5b-4e96-8172-60c5ee0f971e-kotlin简介.docx'
export const SEED_NAME = 'kotlin简介.docx'

/** Of 「成功响应」: the members of an element, and the parameters of its links, in their order. */
export const SEED_MEMBERS = ['id', 'key', 'url', 'thumbUrl']
export const SEED_URL_PARAMETERS = ['Expires', 'OSSAccessKeyId', 'Signature', 'security-token']
export const SEED_THUMB_PARAMETERS = ['Expires', 'OSSAccessKeyId', 'Signature', 'x-oss-process', 'security-token']
export const SEED_PROCESS = 'x-oss-process=image%2Fresize%2Cw_120%2Ch_120'
/** Characters of the seed's `url` and `thumbUrl`: ours are shorter. */
export const SEED_URL_LENGTH = 774
export const SEED_THUMB_LENGTH = 819
