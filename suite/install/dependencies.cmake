# What the libraries need, found in the same way by the build and by programs that use the installed
# package. bitquake_find is find_package or find_dependency; BITQUAKE_TORCH says whether there is Torch.
bitquake_find(Threads)
bitquake_find(fmt)
bitquake_find(OpenSSL COMPONENTS Crypto)
bitquake_find(HDF5 COMPONENTS C)
bitquake_find(ZLIB)
bitquake_find(JPEG)
bitquake_find(PNG)
bitquake_find(PkgConfig)
pkg_check_modules(libdeflate REQUIRED IMPORTED_TARGET GLOBAL libdeflate)
bitquake_find(yaml-cpp)
bitquake_find(nlohmann_json)
bitquake_find(Boost)
bitquake_find(TBB)
bitquake_find(OpenCV COMPONENTS core imgproc imgcodecs)
bitquake_find(pugixml)
if(BITQUAKE_TORCH)
  bitquake_find(Torch)
  # Torch's headers are not ours to warn about. An imported target, so that the exported libraries
  # name it instead of the paths of one machine.
  if(NOT TARGET bitquake::torch)
    add_library(bitquake::torch INTERFACE IMPORTED)
    set_target_properties(bitquake::torch PROPERTIES
                          INTERFACE_LINK_LIBRARIES "${TORCH_LIBRARIES}"
                          INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${TORCH_INCLUDE_DIRS}"
                          INTERFACE_INCLUDE_DIRECTORIES "${TORCH_INCLUDE_DIRS}")
  endif()
endif()
