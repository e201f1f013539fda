import Type from 'typebox'

export const GetAccessTokenRequest = Type.Object({
  appKey: Type.String({ minLength: 1, maxLength: 256 }),
  appSecurity: Type.String({ minLength: 1, maxLength: 256 }),
})
export type GetAccessTokenRequest = Type.Static<typeof GetAccessTokenRequest>

/** `expireTime` is Unix time in milliseconds. */
export const AccessTokenValue = Type.Object({
  value: Type.Object({
    accessToken: Type.String(),
    refreshToken: Type.String(),
    expireTime: Type.Integer(),
    corporationId: Type.String(),
  }),
})
export type AccessTokenValue = Type.Static<typeof AccessTokenValue>

export const LocationValue = Type.Object({ value: Type.String() })
