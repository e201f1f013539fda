import Type from 'typebox'
import { MAX_CREDENTIAL_LENGTH } from './limits.ts'

export const GetAccessTokenRequest = Type.Object({
  appKey: Type.String({ minLength: 1, maxLength: MAX_CREDENTIAL_LENGTH }),
  appSecurity: Type.String({ minLength: 1, maxLength: MAX_CREDENTIAL_LENGTH }),
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
