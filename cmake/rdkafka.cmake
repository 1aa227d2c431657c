# librdkafka: pkg-config's library, except where its metadata cache has the defect that lib/kafka/metadata_cache.c keeps from
# harm (docs/workarounds.md). Then its archive is linked, in which --wrap can reach the cache's updates; without an archive
# the library is linked as it is.
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka>=2.0)
set(RDKAFKA_LIBRARY PkgConfig::RDKAFKA)
set(RDKAFKA_WRAPPED OFF)
if(RDKAFKA_VERSION VERSION_GREATER_EQUAL 2.4 AND RDKAFKA_VERSION VERSION_LESS 2.9)
  find_library(RDKAFKA_ARCHIVE librdkafka.a HINTS ${RDKAFKA_LIBDIR})
  if(RDKAFKA_ARCHIVE)
    pkg_check_modules(RDKAFKA_NEEDS REQUIRED IMPORTED_TARGET zlib libcrypto libssl libsasl2 libzstd libcurl liblz4)
    set(symbol rd_kafka_metadata_cache_topic_update)
    set(RDKAFKA_LIBRARY -Wl,-u,__wrap_${symbol} -Wl,--wrap=${symbol} ${RDKAFKA_ARCHIVE} PkgConfig::RDKAFKA_NEEDS m)
    set(RDKAFKA_WRAPPED ON)
  else()
    message(WARNING "librdkafka ${RDKAFKA_VERSION} may crash when topics are made anew (docs/workarounds.md), and librdkafka.a is not there")
  endif()
endif()
