import { LRUCache } from 'lru-cache'

/**
 * The `most` values used last. Told a number of entries the library lays out room for all of them at once, which for all
 * caches of a service is megabytes and a tenth of the start; told a size it grows with what it holds.
 */
export function boundedCache<Value extends object | string | number>(most: number): LRUCache<string, Value> {
  return new LRUCache({ maxSize: most, sizeCalculation: () => 1 })
}
