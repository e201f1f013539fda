import { randomBytes } from 'node:crypto'
import { constants, type StatsFs } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Failure, isSystemError } from '../errors.ts'
import { type BlobStore, type ByteRange, checkedId, isId, type ListedBlob, type StoredBlob } from './blob-store.ts'
import { FileBody, readExactly } from './file-body.ts'

export interface DiskBlobsOptions {
  directory: string
  /** `relaxed` leaves out every fsync: an acknowledged blob may be lost or torn by a power loss. */
  durability: 'strict' | 'relaxed'
  /** Set for the one process that takes uploads: removes what a killed one left half written. */
  sweepTemporary: boolean
}

const SHORT = 64 * 1024
// Room that uploads leave to the records and to logs: this much, or this share of a small disk.
const RESERVED_BYTES = 64 * 1024 * 1024
const RESERVED_SHARE = 0.02
const LOOK_MS = 50
// After an fsync that failed, before a file of no consequence shows whether the disk is well again.
const REST_MS = 2000

/**
 * Blobs as files `blobs/ab/<id>`. A put is: new file under `tmp/` on the same file system → bytes → fsync → rename → fsync
 * of the directory. An fsync that failed is never tried again, because the kernel may have dropped the pages and report
 * success: its put is refused, and so is every other one that was under way, which may share what failed. Nothing that was
 * acknowledged depends on it. The store refuses writes, and says so, until a new file has been synced through new descriptors.
 */
export async function diskBlobs({ directory, durability, sweepTemporary }: DiskBlobsOptions): Promise<BlobStore> {
  const temporary = join(directory, 'tmp')
  const strict = durability === 'strict'
  const refuseNearlyFull = fullnessOf(temporary)
  let broken: { error: Error; at: number } | undefined
  let failures = 0
  let probing: Promise<void> | undefined
  let shards = await openShards(directory, strict)
  await mkdir(temporary, { recursive: true, mode: 0o700 })
  if (sweepTemporary) for (const name of await readdir(temporary)) await rm(join(temporary, name), { force: true })

  const underWay = new Set<Promise<unknown>>()
  const pathOf = (id: string) => join(directory, 'blobs', shardOf(id), id)

  async function sync(handle: FileHandle): Promise<void> {
    if (!strict) return
    try {
      await handle.sync()
    } catch (cause) {
      throw new Failure('ReadOnly', { cause: fail(cause) })
    }
  }

  function fail(cause: unknown): Error {
    const error = new Error('blobs: an fsync failed: check the disk; writes begin again when one succeeds', { cause })
    broken = { error, at: performance.now() }
    failures++
    return error
  }

  /** Resolves when the disk takes writes, after one was tried where an fsync has failed. */
  async function refuseBroken(): Promise<void> {
    if (broken === undefined) return
    if (performance.now() - broken.at < REST_MS) throw new Failure('ReadOnly', { cause: broken.error })
    probing ??= probe().finally(() => {
      probing = undefined
    })
    await probing
  }

  async function probe(): Promise<void> {
    const path = join(temporary, `probe-${randomBytes(8).toString('hex')}`)
    try {
      await write(path, [randomBytes(SHORT)])
      await rename(path, `${path}.named`)
      await syncDirectory(temporary)
      const old = shards
      shards = await openShards(directory, strict)
      broken = undefined
      // What is under way on the old ones is refused, however it ends.
      void Promise.allSettled([...underWay])
        .then(() => closeAll(old))
        .catch(() => {})
    } catch (cause) {
      throw cause instanceof Failure ? cause : new Failure('ReadOnly', { cause: fail(cause) })
    } finally {
      for (const left of [path, `${path}.named`]) await rm(left, { force: true }).catch(() => {})
    }
  }

  async function put(id: string, body: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    await refuseBroken()
    await refuseNearlyFull()
    const before = failures
    const beside = join(temporary, randomBytes(16).toString('hex'))
    try {
      const size = await write(beside, body)
      await rename(beside, pathOf(id))
      await sync(shards[Number.parseInt(shardOf(id), 16)] as FileHandle)
      if (before !== failures) throw new Failure('ReadOnly')
      return { size }
    } catch (error) {
      // What can't be removed now goes at the next start, and must not hide what went wrong.
      await rm(beside, { force: true }).catch(() => {})
      throw isFull(error)
        ? new Failure('StorageFull', { cause: error })
        : isRefused(error)
          ? new Failure('StorageUnavailable', { cause: error })
          : error
    }
  }

  async function write(path: string, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
    const handle = await open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600)
    try {
      let size = 0
      for await (const chunk of body) {
        await writeAll(handle, chunk)
        size += chunk.length
      }
      await sync(handle)
      return size
    } finally {
      await handle.close()
    }
  }

  async function read(id: string, range: ByteRange): Promise<Readable | Uint8Array | undefined> {
    const handle = await unlessMissing(openToRead(pathOf(id)))
    if (handle === undefined) return undefined
    const length = range.last - range.first + 1
    if (length > SHORT) return new FileBody(handle, range)
    try {
      return await readExactly(handle, range.first, length)
    } finally {
      await handle.close()
    }
  }

  return {
    put(id, body) {
      const putting = put(id, body).finally(() => underWay.delete(putting))
      underWay.add(putting)
      return putting
    },
    read,
    async remove(id) {
      await unlessMissing(unlink(pathOf(id)))
    },
    list: (prefix, foreign) => listed(join(directory, 'blobs'), prefix, foreign),
    path: (id) => `blobs/${shardOf(id)}/${id}`,
    trouble: () => broken?.error.message,
    async check() {
      await refuseBroken()
      const probe = join(temporary, `check-${randomBytes(8).toString('hex')}`)
      try {
        await (await open(probe, 'wx', 0o600)).close()
      } finally {
        await rm(probe, { force: true })
      }
    },
    async close() {
      // One that was cut off removes what it wrote.
      await Promise.allSettled(underWay)
      await closeAll(shards)
    },
  }
}

/** Uploads of one moment look at the disk once. */
function fullnessOf(directory: string): () => Promise<void> {
  let looked = Number.NEGATIVE_INFINITY
  let last: Promise<StatsFs> | undefined
  return async () => {
    const now = performance.now()
    if (last === undefined || now - looked > LOOK_MS) [last, looked] = [statfs(directory), now]
    const { bavail, blocks, bsize } = await last
    // A file system without a size has no blocks.
    const reserved = Math.min(RESERVED_BYTES, blocks * bsize * RESERVED_SHARE)
    if (blocks > 0 && bavail * bsize < reserved) throw new Failure('StorageFull')
  }
}

async function* listed(
  blobs: string,
  prefix: string,
  foreign: (name: string) => void = () => {},
): AsyncGenerator<ListedBlob> {
  for (const shard of SHARDS) {
    const common = Math.min(shard.length, prefix.length)
    if (shard.slice(0, common) !== prefix.slice(0, common)) continue
    for (const name of await readdir(join(blobs, shard))) {
      // One that lies in another's directory can not be read by its name.
      const placed = isId(name) && name.startsWith(shard)
      if (placed && !name.startsWith(prefix)) continue
      const facts = await unlessMissing(stat(join(blobs, shard, name)))
      if (facts === undefined) continue
      if (placed && facts.isFile()) yield { id: name, size: facts.size, modifiedAt: facts.mtimeMs }
      else foreign(join(shard, name))
    }
  }
}

const SHARDS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/** Makes the 256 directories ahead of time, so that a put has one directory to sync, and keeps them open for that. */
async function openShards(directory: string, strict: boolean): Promise<FileHandle[]> {
  const blobs = join(directory, 'blobs')
  await mkdir(blobs, { recursive: true, mode: 0o700 })
  const there = new Set(await readdir(blobs))
  const missing = SHARDS.filter((name) => !there.has(name))
  await Promise.all(missing.map((name) => mkdir(join(blobs, name), { mode: 0o700 })))
  if (strict) {
    for (const parent of [blobs, directory]) await syncDirectory(parent)
  }
  return Promise.all(SHARDS.map((name) => open(join(blobs, name), 'r')))
}

async function closeAll(handles: readonly FileHandle[]): Promise<void> {
  await Promise.all(handles.map((handle) => handle.close()))
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** With no descriptor left it is a matter of waiting. */
async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    throw isRefused(error) ? new Failure('StorageUnavailable', { cause: error }) : error
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let written = 0
  while (written < chunk.length) written += (await handle.write(chunk, written)).bytesWritten
}

/** What is not there is an answer. */
async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}

function shardOf(id: string): string {
  return checkedId(id).slice(0, 2)
}

/** The disk, or a limit of the system's, and not the upload. */
function isRefused(error: unknown): boolean {
  return ['EIO', 'EROFS', 'EFBIG', 'EMFILE', 'ENFILE'].some((code) => isSystemError(error, code))
}

function isFull(error: unknown): boolean {
  return isSystemError(error, 'ENOSPC') || isSystemError(error, 'EDQUOT')
}
