/* Asks the DFL driver as the kernel's own header has it, and tells each answer: the name, and 0 or the error. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fpga-dfl.h>

static void tell(const char *name, int result)
{
	if (result < 0)
		printf("%s: %s\n", name, strerrorname_np(errno));
	else
		printf("%s: %d\n", name, result);
}

static void tell_program(const char *name, int fme, struct dfl_fpga_fme_port_pr pr)
{
	tell(name, ioctl(fme, DFL_FPGA_FME_PORT_PR, &pr));
}

int main(int argc, char **argv)
{
	char data[] = "no bitstream";
	struct dfl_fpga_port_info info = { .argsz = sizeof(info) };
	struct dfl_fpga_port_info small = { .argsz = sizeof(small) - 1 };
	struct dfl_fpga_port_region_info region = { .argsz = sizeof(region), .index = 1 };
	struct dfl_fpga_port_region_info none = { .argsz = sizeof(none), .index = 2 };
	struct dfl_fpga_fme_port_pr pr = {
		.argsz = sizeof(pr), .buffer_size = sizeof(data), .buffer_address = (unsigned long)data
	};
	struct dfl_fpga_fme_port_pr bad;
	int number = 7, fme = open(argv[1], O_RDWR), port = open(argv[2], O_RDWR);

	if (argc != 3 || fme < 0 || port < 0)
		return 1;
	tell("version of the engine", ioctl(fme, DFL_FPGA_GET_API_VERSION));
	tell("version of the port", ioctl(port, DFL_FPGA_GET_API_VERSION));
	tell("extension", ioctl(port, DFL_FPGA_CHECK_EXTENSION, 0));
	tell("reset", ioctl(port, DFL_FPGA_PORT_RESET));
	tell("info", ioctl(port, DFL_FPGA_PORT_GET_INFO, &info));
	printf("regions %u umsgs %u\n", info.num_regions, info.num_umsgs);
	tell("info, too small", ioctl(port, DFL_FPGA_PORT_GET_INFO, &small));
	tell("info of nowhere", ioctl(port, DFL_FPGA_PORT_GET_INFO, NULL));
	tell("region", ioctl(port, DFL_FPGA_PORT_GET_REGION_INFO, &region));
	printf("flags %u size %llu offset %llu\n", region.flags, region.size, region.offset);
	tell("region that is not there", ioctl(port, DFL_FPGA_PORT_GET_REGION_INFO, &none));
	tell("reset of the engine", ioctl(fme, DFL_FPGA_PORT_RESET));
	tell("another number", ioctl(port, _IO(DFL_FPGA_MAGIC, 0x7f)));

	tell_program("program", fme, pr);
	tell_program("program the port", port, pr);
	bad = pr;
	bad.argsz = 8;
	tell_program("program, too small", fme, bad);
	bad = pr;
	bad.flags = 1;
	tell_program("program with flags", fme, bad);
	bad = pr;
	bad.port_id = 1;
	tell_program("program a port that is not there", fme, bad);
	bad = pr;
	bad.buffer_address = 8;
	tell_program("program from nowhere", fme, bad);
	tell("release a port that is not there", ioctl(fme, DFL_FPGA_FME_PORT_RELEASE, &number));
	number = 0;
	tell("release a port that is open", ioctl(fme, DFL_FPGA_FME_PORT_RELEASE, &number));
	tell("assign a port that is not released", ioctl(fme, DFL_FPGA_FME_PORT_ASSIGN, &number));
	return 0;
}
