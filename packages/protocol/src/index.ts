export * from './attachments.ts'
export * from './auth.ts'
export * from './failures.ts'
export * from './paths.ts'
