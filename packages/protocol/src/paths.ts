/** Every control-plane path, as the vendor publishes it. */
export const PATHS = {
  getAccessToken: '/api/openapi/v1/auth/getAccessToken',
  refreshToken: '/api/openapi/v2/auth/refreshToken',
  refreshTokenExpireDate: '/api/openapi/v2/auth/refreshToken/expireDate',
  location: '/api/openapi/v2/location',
  upload: '/api/openapi/v2/attachment/upload',
  downloadUrls: '/api/openapi/v2/attachment/downloadurls',
} as const

/** `powerCode` of the attachment power, which the published refresh calls carry. */
export const POWER_CODE = '219904'
