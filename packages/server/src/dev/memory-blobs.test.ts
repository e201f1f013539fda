import { blobStoreContract } from '../blobs/blob-store.contract.ts'
import { memoryBlobs } from './memory-blobs.ts'

blobStoreContract('memory', async () => memoryBlobs())
