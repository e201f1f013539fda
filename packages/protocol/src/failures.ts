import Type from 'typebox'

/** The body of every failed control-plane answer. The HTTP status equals `errorCode`. */
export const FailureBody = Type.Object({
  errorCode: Type.Integer(),
  errorMessage: Type.String(),
  errorDetails: Type.Union([Type.Null(), Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))]),
  code: Type.Null(),
  data: Type.Null(),
})
export type FailureBody = Type.Static<typeof FailureBody>
