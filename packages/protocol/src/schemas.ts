export * from './attachments.ts'
export * from './auth.ts'
export * from './documents.ts'
export * from './failures.ts'
