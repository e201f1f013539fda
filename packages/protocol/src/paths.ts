/** Every control-plane path, as the vendor publishes it. */
export const PATHS = {
  getAccessToken: '/api/openapi/v1/auth/getAccessToken',
  refreshToken: '/api/openapi/v2/auth/refreshToken',
  refreshTokenExpireDate: '/api/openapi/v2/auth/refreshToken/expireDate',
  location: '/api/openapi/v2/location',
  upload: '/api/openapi/v2/attachment/upload',
  downloadUrls: '/api/openapi/v2/attachment/downloadurls',
  createDocument: '/api/openapi/v2.2/flow/data',
  /** The last segment is a literal `$` and the document's id. */
  updateDocument: '/api/openapi/v2.2/flow/data/:dollarFlowId',
  document: '/api/openapi/v1.1/flowDetails',
  documentByCode: '/api/openapi/v1.1/flowDetails/byCode',
  documentAttachments: '/api/openapi/v1/flowDetails/attachment',
} as const

/** `powerCode` of the attachment power, which the published refresh calls carry. */
export const POWER_CODE = '219904'
