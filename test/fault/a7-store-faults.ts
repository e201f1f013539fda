/** A7: an object store, S3 and Alibaba OSS, that refuses, cuts, stalls, shortens, answers with other bytes, is killed, hangs, is slow. */
import { row } from './stage.ts'
import { suites } from './suites.ts'

const BLOBS = 'packages/server/src/blobs'

await row('A7', () =>
  suites({
    files: [
      `${BLOBS}/s3-put-faults.engine.ts`,
      `${BLOBS}/s3-read-faults.engine.ts`,
      `${BLOBS}/s3-mixed-faults.engine.ts`,
      'test/engines/blobs-faults.engine.ts',
      'test/aliyun-faults.test.ts',
    ],
    says: /^(?!SEED)/,
  }),
)
